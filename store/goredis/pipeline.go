package goredis

import (
	"context"
	"hash/fnv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
	"github.com/distributed-rate-limiter/ratelimit/internal/hashslot"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

var (
	_ store.Partitioned = (*Store)(nil)
	_ store.Pipelined   = (*Store)(nil)
	_ store.Spanning    = (*Store)(nil)
)

// Partition implements [store.Partitioned]. For a *redis.Client all keys are on one server.
// For a *redis.Ring each key may be on another shard, and partitions do not tell on which.
// For any other client the keys are assumed to be on a Cluster.
func (s *Store) Partition(key string) (uint64, bool) {
	if s == nil {
		return 0, false
	}
	switch s.client.(type) {
	case *redis.Client:
		return 0, false
	case *redis.Ring:
		h := fnv.New64a()
		_, _ = h.Write([]byte(key))
		return h.Sum64(), true
	}
	return hashslot.Partition(key), true
}

// newLayout returns nil for a client that is not known to be for a Cluster.
func newLayout(client Client) *driver.Layout {
	if _, ok := client.(*redis.ClusterClient); !ok {
		return nil
	}
	return &driver.Layout{}
}

// Server implements [store.Spanning], for a *redis.ClusterClient of several nodes. If the
// servers are not known, a RunAll of several runs makes the Store learn them in the
// background: at once at first, a second after the Cluster has turned out to be different,
// and every ten seconds if they cannot be learned.
func (s *Store) Server(partition uint64) (uint64, bool) {
	if s == nil {
		return 0, false
	}
	return s.layout.Server(partition)
}

// learnLayout asks for the Cluster's layout, if that is due.
func (s *Store) learnLayout(runs []store.Run) {
	if len(runs) < 2 || len(runs[0].Keys) == 0 || !s.layout.Due() {
		return
	}
	slots := func(ctx context.Context) ([]driver.Slots, error) {
		cmd := redis.NewClusterSlotsCmd(ctx, "cluster", "slots")
		cmd.SetStepCount(1) // see command
		if err := s.client.Process(ctx, cmd); err != nil {
			return nil, err
		}
		var slots []driver.Slots
		for _, r := range cmd.Val() {
			if len(r.Nodes) > 0 {
				master := r.Nodes[0].Addr + " " + r.Nodes[0].ID
				slots = append(slots, driver.Slots{First: int64(r.Start), Last: int64(r.End), Server: master})
			}
		}
		return slots, nil
	}
	s.layout.Learn(runs[0].Keys[0], slots, func(ctx context.Context, script *store.Script, keys []string) ([]int64, error) {
		return s.run(ctx, script, keys, nil, true)
	})
}

// RunAll implements [store.Pipelined], with a pipeline if the client has pipelines. That of
// a cluster client goes to all nodes at once. On a Ring, a shard that hangs may hold up runs
// on others until ctx ends.
func (s *Store) RunAll(ctx context.Context, script *store.Script, runs []store.Run) {
	if s.runAll(ctx, script, runs, false) {
		s.learnLayout(runs)
	}
}

// RunAcross implements [store.Spanning], as RunAll does.
func (s *Store) RunAcross(ctx context.Context, script *store.Script, runs []store.Run) {
	if s.runAll(ctx, script, runs, true) {
		s.layout.Note(runs)
	}
}

// runAll reports whether it could begin.
func (s *Store) runAll(ctx context.Context, script *store.Script, runs []store.Run, across bool) bool {
	var err error
	switch {
	case s == nil || s.client == nil:
		err = errNoClient
	case script == nil:
		err = errNoScript
	case ctx.Err() != nil:
		err = driver.Wrap(ctx, name, ctx.Err())
	}
	if err != nil {
		for i := range runs {
			runs[i].Reply, runs[i].Err = nil, err
		}
		return false
	}
	ctx = s.shared(ctx)
	client, ok := s.client.(interface{ Pipeline() redis.Pipeliner })
	if !ok || len(runs) == 1 {
		for i := range runs {
			r := &runs[i]
			r.Reply, r.Err = s.run(ctx, script, r.Keys, r.Args, across)
		}
		return true
	}
	all := make([]int, len(runs))
	for i := range all {
		all[i] = i
	}
	s.send(ctx, client.Pipeline, evalsha, script.SHA1(), runs, all, across)
	unknown := all[:0]
	for i := range runs {
		if runs[i].Err != nil && driver.NoScript(runs[i].Err) {
			unknown = append(unknown, i)
		}
	}
	if len(unknown) > 0 {
		s.send(ctx, client.Pipeline, eval, script.Source(), runs, unknown, across)
	}
	return true
}

// send sends the runs at places.
func (s *Store) send(ctx context.Context, pipeline func() redis.Pipeliner, verb any, script string, runs []store.Run, places []int, across bool) {
	var since time.Time
	for len(places) > 0 {
		places = s.sendOnce(ctx, &since, pipeline(), verb, script, runs, places, across)
	}
}

// sendOnce sends the runs at places once. It returns the places of those that were not sent
// and may be sent again.
func (s *Store) sendOnce(ctx context.Context, since *time.Time, pipeline redis.Pipeliner, verb any, script string, runs []store.Run, places []int, across bool) (again []int) {
	calls := make([]call, len(places))
	for i, place := range places {
		_ = pipeline.Process(ctx, calls[i].command(ctx, verb, script, runs[place].Keys, runs[place].Args, across))
	}
	cmds, refused := pipeline.Exec(ctx)
	refused = refusal(cmds, refused)
	for i, place := range places {
		r := &runs[place]
		err := errNotRun
		if i < len(cmds) {
			err = calls[i].failure(cmds[i], refused)
		}
		switch {
		case err == nil:
			r.Reply, r.Err = calls[i].reply.integers()
			continue
		case notSent(ctx, since, err):
			again = append(again, place)
			continue
		}
		r.Reply, r.Err = nil, s.failure(ctx, err)
		s.learn(ctx, r.Err)
		s.warm(r.Keys, r.Err)
	}
	return again
}
