package rueidis

import (
	"context"
	"fmt"
	"time"

	client "github.com/redis/rueidis"

	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
	"github.com/distributed-rate-limiter/ratelimit/internal/hashslot"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

var (
	_ store.Partitioned = (*Store)(nil)
	_ store.Pipelined   = (*Store)(nil)
)

// Partition implements [store.Partitioned]: a cluster client's keys are in the
// hash slots of its Cluster, all others on one server.
func (s *Store) Partition(key string) (uint64, bool) {
	if s == nil || !s.cluster {
		return 0, false
	}
	return hashslot.Partition(key), true
}

// RunAll implements [store.Pipelined], by DoMulti.
func (s *Store) RunAll(ctx context.Context, script *store.Script, runs []store.Run) {
	start := time.Now()
	c, err := s.client(ctx, script)
	if err == nil {
		err = s.turns.do(work{ctx: ctx, start: start, client: c, script: script, do: runSeveral}, runs)
	}
	for i := range runs {
		if err != nil {
			runs[i].Reply, runs[i].Err = nil, err
		}
		s.warm(c, runs[i].Keys, runs[i].Err)
	}
}

func runSeveral(t *turn) { runAll(t.ctx, t.start, t.client, t.script, t.runs) }

func runAll(ctx context.Context, start time.Time, c session, script *store.Script, runs []store.Run) {
	defer func() { // see run
		if p := recover(); p != nil {
			for i := range runs {
				runs[i].Reply, runs[i].Err = nil, fmt.Errorf("rueidis: the client panicked: %v", p)
			}
		}
	}()
	places := make([]int, 0, len(runs))
	for i := range runs {
		runs[i].Reply, runs[i].Err = nil, nil
		if c.Mode() == client.ClientModeCluster && !hashslot.Same(runs[i].Keys) {
			runs[i].Err = errCrossSlot
			continue
		}
		places = append(places, i)
	}
	places = sendAll(ctx, start, c, "EVALSHA", script.SHA1(), runs, places)
	sendAll(ctx, start, c, "EVAL", script.Source(), runs, places)
}

// sendAll sends those of runs whose places are given, and returns the places of
// those for which the server does not have the script.
func sendAll(ctx context.Context, start time.Time, c session, verb, script string, runs []store.Run, places []int) (unknown []int) {
	if len(places) == 0 {
		return nil
	}
	commands := make([]client.Completed, len(places))
	for i, place := range places {
		commands[i] = command(c.B(), verb, script, runs[place].Keys, runs[place].Args)
	}
	for i, result := range c.DoMulti(ctx, commands...) {
		r := &runs[places[i]]
		message, err := result.ToMessage()
		if notSent(ctx, start, err) {
			message, err = send(ctx, start, c, verb, script, r.Keys, r.Args)
		} else {
			err = replyError(ctx, c.secrets, &message, err)
		}
		switch {
		case err == nil:
			r.Reply, r.Err = decode(&message)
		case driver.NoScript(err):
			unknown = append(unknown, places[i])
			fallthrough
		default:
			r.Reply, r.Err = nil, err
		}
	}
	return unknown
}
