package rueidis

import (
	"cmp"
	"context"
	"sync"
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

// RunAll implements [store.Pipelined]: by DoMulti, but each by itself where there is no
// Cluster, and the client is not known to send each of several commands once.
func (s *Store) RunAll(ctx context.Context, script *store.Script, runs []store.Run) {
	start := time.Now()
	c, err := s.client(ctx, script)
	if err != nil {
		for i := range runs {
			runs[i].Reply, runs[i].Err = nil, err
		}
		return
	}
	if s.gather.Apart && c.Mode() != client.ClientModeCluster {
		var all sync.WaitGroup
		for i := range runs {
			r := &runs[i]
			all.Go(func() { r.Reply, r.Err = s.Run(ctx, script, r.Keys, r.Args) })
		}
		all.Wait()
		return
	}
	places := make([]int, 0, len(runs))
	for i := range runs {
		runs[i].Reply, runs[i].Err = nil, nil
		if c.Mode() == client.ClientModeCluster && !hashslot.Same(runs[i].Keys) { // see run
			runs[i].Err = errCrossSlot
			continue
		}
		places = append(places, i)
	}
	places = s.sendAll(ctx, start, c, "EVALSHA", script.SHA1(), runs, places)
	s.sendAll(ctx, start, c, "EVAL", script.Source(), runs, places)
	for i := range runs {
		err = cmp.Or(err, runs[i].Err)
		s.warm(c, runs[i].Keys, runs[i].Err)
	}
	s.gather.ended(start, err)
}

// sendAll sends those of runs whose places are given, and returns the places of
// those for which the server does not have the script.
func (s *Store) sendAll(ctx context.Context, start time.Time, c session, verb, script string, runs []store.Run, places []int) (unknown []int) {
	if len(places) == 0 {
		return nil
	}
	w := s.gather.begin(c.Client, start)
	for _, place := range places {
		w.add(verb, script, runs[place].Keys, runs[place].Args)
	}
	if err := s.gather.do(ctx, w); err != nil {
		for _, place := range places {
			runs[place].Err = err
		}
		return nil
	}
	defer s.gather.put(w)
	for i, place := range places {
		r := &runs[place]
		message, err := w.results[i].ToMessage()
		if notSent(ctx, start, err) {
			message, err = s.send(ctx, start, c, verb, script, r.Keys, r.Args)
		} else {
			err = replyError(ctx, c.secrets, &message, err)
		}
		switch {
		case err == nil:
			r.Reply, r.Err = decode(&message)
		case driver.NoScript(err):
			unknown = append(unknown, place)
			fallthrough
		default:
			r.Reply, r.Err = nil, err
		}
	}
	return unknown
}
