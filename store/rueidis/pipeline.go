package rueidis

import (
	"cmp"
	"context"
	"net"
	"strconv"
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
	_ store.Spanning    = (*Store)(nil)
)

// Partition implements [store.Partitioned]. The keys of a cluster client are in the hash
// slots of its Cluster; those of any other client are on one server.
func (s *Store) Partition(key string) (uint64, bool) {
	if s == nil || !s.cluster {
		return 0, false
	}
	return hashslot.Partition(key), true
}

// newLayout returns nil if there is no Cluster.
func newLayout(cluster bool) *driver.Layout {
	if !cluster {
		return nil
	}
	return &driver.Layout{}
}

// Server implements [store.Spanning], for a client of a Cluster of several nodes. If the
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
func (s *Store) learnLayout(c session, runs []store.Run) {
	if len(runs) < 2 || len(runs[0].Keys) == 0 || !s.layout.Due() {
		return
	}
	slots := func(ctx context.Context) ([]driver.Slots, error) {
		ranges, err := c.Do(ctx, c.B().ClusterSlots().Build()).ToArray()
		if err != nil {
			return nil, err
		}
		return slotsOf(ranges)
	}
	s.layout.Learn(runs[0].Keys[0], slots, func(ctx context.Context, script *store.Script, keys []string) ([]int64, error) {
		return s.run(ctx, time.Now(), c, script, keys, nil, true)
	})
}

// slotsOf reads a reply to CLUSTER SLOTS: for each range its first slot, its last slot and
// its nodes. Each node has an address, a port and an ID.
func slotsOf(ranges []client.RedisMessage) (slots []driver.Slots, err error) {
	for _, r := range ranges {
		parts, err := r.ToArray()
		if err != nil {
			return nil, err
		}
		if len(parts) < 3 {
			continue // no node has the range
		}
		var s driver.Slots
		if s.First, err = parts[0].ToInt64(); err != nil {
			return nil, err
		}
		if s.Last, err = parts[1].ToInt64(); err != nil {
			return nil, err
		}
		master, err := parts[2].ToArray()
		if err != nil {
			return nil, err
		}
		if len(master) < 2 {
			continue
		}
		host, _ := master[0].ToString() // nil if unknown
		port, err := master[1].ToInt64()
		if err != nil {
			return nil, err
		}
		s.Server = net.JoinHostPort(host, strconv.FormatInt(port, 10))
		if len(master) > 2 {
			id, _ := master[2].ToString()
			s.Server += " " + id
		}
		slots = append(slots, s)
	}
	return slots, nil
}

// RunAll implements [store.Pipelined], by DoMulti. Each run goes by itself if there is no
// Cluster and the client is not known to send each of several commands once.
func (s *Store) RunAll(ctx context.Context, script *store.Script, runs []store.Run) {
	if c, ok := s.runAll(ctx, script, runs, false); ok {
		s.learnLayout(c, runs)
	}
}

// RunAcross implements [store.Spanning], as RunAll does.
func (s *Store) RunAcross(ctx context.Context, script *store.Script, runs []store.Run) {
	if _, ok := s.runAll(ctx, script, runs, true); ok {
		s.layout.Note(runs)
	}
}

// runAll returns the client. ok is false if the runs could not begin.
func (s *Store) runAll(ctx context.Context, script *store.Script, runs []store.Run, across bool) (c session, ok bool) {
	start := time.Now()
	c, err := s.client(ctx, script)
	if err != nil {
		for i := range runs {
			runs[i].Reply, runs[i].Err = nil, err
		}
		return c, false
	}
	cluster := c.Mode() == client.ClientModeCluster
	if s.gather.Apart && !cluster {
		var all sync.WaitGroup
		for i := range runs {
			r := &runs[i]
			all.Go(func() {
				r.Reply, r.Err = s.run(ctx, start, c, script, r.Keys, r.Args, across)
				s.warm(c, r.Keys, r.Err)
			})
		}
		all.Wait()
		return c, true
	}
	places := make([]int, 0, len(runs))
	for i := range runs {
		runs[i].Reply, runs[i].Err = nil, nil
		if !across && cluster && !hashslot.Same(runs[i].Keys) { // see run
			runs[i].Err = errCrossSlot
			continue
		}
		places = append(places, i)
	}
	places = s.sendAll(ctx, start, c, "EVALSHA", script.SHA1(), runs, places, across)
	s.sendAll(ctx, start, c, "EVAL", script.Source(), runs, places, across)
	for i := range runs {
		err = cmp.Or(err, runs[i].Err)
		s.warm(c, runs[i].Keys, runs[i].Err)
	}
	if len(runs) > 0 {
		s.prepare(c, runs[0].Keys, err)
	}
	return c, true
}

// sendAll sends the runs at places, and returns the places of those for which the server
// does not have the script.
func (s *Store) sendAll(ctx context.Context, start time.Time, c session, verb, script string, runs []store.Run, places []int, across bool) (unknown []int) {
	if len(places) == 0 {
		return nil
	}
	w := s.gather.begin(c.Client)
	for _, place := range places {
		w.add(verb, script, runs[place].Keys, runs[place].Args, across)
	}
	if err := s.gather.do(ctx, w); err != nil {
		for _, place := range places {
			runs[place].Err = err
		}
		return nil
	}
	defer s.gather.put(w)
	var again []int
	for i, place := range places {
		r := &runs[place]
		message, err := w.results[i].ToMessage()
		if notSent(ctx, start, err) {
			again = append(again, place)
			continue
		}
		err = replyError(ctx, c.secrets, &message, err)
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
	return append(unknown, s.sendAll(ctx, start, c, verb, script, runs, again, across)...)
}
