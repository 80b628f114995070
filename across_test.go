package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
)

// TestAcross checks that calls for keys in several slots of one node go in one run, and that
// each call is decided once, by the node that has its key. It moves up to forty slots to
// another node at the same time while callers call on. Half of the keys in those slots do not
// exist when the move begins, because Reset has removed them.
func TestAcross(t *testing.T) {
	redistest.Needs(t, 6, 2) // for the counts of errors by code
	const identities, limit, inSeveral = 300, 10_000, 6
	cluster := redistest.StartCluster(t)
	for i, driver := range []string{"goredis", "rueidis"} {
		t.Run(driver, func(t *testing.T) {
			var seen runs
			l := newLimiter(t, site{driver, cluster.URL(), cluster.Nodes}.open(t), tokenbucket.Limit{Rate: limit, Period: month},
				ratelimit.WithNamespace(fmt.Sprint("across", i)), ratelimit.WithObserver(&seen))
			var taken [identities]int64
			all := func() {
				var wait sync.WaitGroup
				for i := range 4 * identities {
					taken[i%identities]++
					wait.Go(func() { allow(t, l, strconv.Itoa(i%identities), 1) })
				}
				wait.Wait()
			}
			across := func() bool { // by chance two keys share a slot, but not so many
				all()
				for _, run := range seen.take() {
					if run.Err == nil && run.Keys >= inSeveral {
						return true
					}
				}
				return false
			}
			require.Eventually(t, across, 20*time.Second, 10*time.Millisecond)

			from, to := cluster.Nodes[0], cluster.Nodes[1]
			from.MustDo(t, "CONFIG", "RESETSTAT")
			var moves []*redistest.Move
			moving := map[int]bool{}
			for i := range identities {
				slot := cluster.Slot(t, ratelimit.KeyOf(l, strconv.Itoa(i)))
				if moving[slot] || len(moves) == 40 || cluster.Owner(slot) != from {
					continue
				}
				if i%2 == 0 {
					require.NoError(t, l.Reset(t.Context(), strconv.Itoa(i)))
					taken[i] = 0
				}
				moving[slot] = true
				moves = append(moves, cluster.BeginMove(t, slot, to))
			}
			for range 3 {
				all()
			}
			require.NotEmpty(t, from.Info("errorstats")["errorstat_CROSSSLOT"], "no run was refused: this tests nothing")
			for _, move := range moves {
				move.End(t)
			}
			seen.take()
			require.Eventually(t, across, 20*time.Second, 100*time.Millisecond)
			for i, taken := range taken {
				r, err := l.Peek(t.Context(), strconv.Itoa(i))
				require.NoError(t, err)
				require.False(t, r.Degraded)
				require.Equal(t, limit-taken, r.Remaining, i)
			}
			for slot := range moving {
				require.Equal(t, to, cluster.Owner(slot))
				cluster.MoveSlot(t, slot, from) // for the other driver
			}
		})
	}
}

// twoServers is a store on one Redis that poses as two servers. Each has two of four
// partitions. Each partition has its own breaker, and all share one queue.
type twoServers struct {
	*goredis.Store
	t       *testing.T
	strays  atomic.Int64 // the partition some of whose keys are on the other server by now, or -1
	away    atomic.Int64 // the server that is unreachable, or -1
	refused atomic.Int64
	between atomic.Int64
	panics  atomic.Bool // Server panics
	unknown atomic.Bool // Server does not know where partition 2 is
	parted  atomic.Bool // the last RunAcross refused a run, and its calls have not come again yet
}

var errAway = errors.New("away")

func (s *twoServers) Partition(key string) (uint64, bool) {
	return uint64(crc32.ChecksumIEEE([]byte(key))%4) << 58, true
}

func (s *twoServers) Server(partition uint64) (uint64, bool) {
	if s.panics.Load() {
		panic("no server")
	}
	if s.unknown.Load() && partition>>58 == 2 {
		return 0, false
	}
	return partition >> 59, true
}

// locate returns the server of all keys, and their partition, or -1 if they are in several.
func (s *twoServers) locate(keys []string) (partition, server int64) {
	for i, key := range keys {
		p, _ := s.Partition(key)
		at := p >> 59
		if i > 0 && int64(at) != server {
			s.t.Errorf("a run of two servers")
		}
		if i > 0 && int64(p>>58) != partition {
			partition = -1
		} else {
			partition = int64(p >> 58)
		}
		server = int64(at)
	}
	return partition, server
}

func (s *twoServers) Run(ctx context.Context, script *store.Script, keys []string, args []int64) ([]int64, error) {
	s.parted.Store(false)
	switch partition, server := s.locate(keys); {
	case partition < 0:
		s.t.Errorf("declared keys of two partitions")
	case server == s.away.Load():
		return nil, errAway
	case len(keys) > 1 && partition == s.strays.Load(): // not all of the keys have arrived
		s.between.Add(1)
		return nil, &store.ServerError{Message: "TRYAGAIN Multiple keys request during rehashing of slot"}
	}
	return s.Store.Run(ctx, script, keys, args)
}

func (s *twoServers) RunAll(ctx context.Context, script *store.Script, runs []store.Run) {
	s.parted.Store(false)
	seen := map[int64]bool{}
	several := false
	for i := range runs {
		partition, _ := s.locate(runs[i].Keys)
		several = several || len(runs[i].Keys) > 1
		if seen[partition] && several {
			s.t.Errorf("two runs of one partition")
		}
		seen[partition] = true
	}
	for i := range runs {
		runs[i].Reply, runs[i].Err = s.Run(ctx, script, runs[i].Keys, runs[i].Args)
	}
}

func (s *twoServers) RunAcross(ctx context.Context, script *store.Script, runs []store.Run) {
	if s.parted.Load() {
		s.t.Errorf("what was refused comes again as it was")
	}
	for i := range runs {
		r := &runs[i]
		if _, server := s.locate(r.Keys); server == s.away.Load() {
			r.Reply, r.Err = nil, errAway
			continue
		}
		for _, key := range r.Keys {
			if partition, _ := s.Partition(key); int64(partition>>58) == s.strays.Load() {
				message := []string{"CROSSSLOT Not all keys", "MASTERDOWN Link with MASTER is down", "LOADING Redis is loading"}[s.refused.Load()%3]
				r.Reply, r.Err = nil, &store.ServerError{Message: message}
				s.refused.Add(1)
				s.parted.Store(true)
			}
		}
		if r.Err == nil {
			s.Store.RunAcross(ctx, script, runs[i:i+1])
		}
	}
}

func newTwoServers(t *testing.T) *twoServers {
	s, err := goredis.Open(start(t).URL())
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	two := &twoServers{Store: s, t: t}
	two.strays.Store(-1)
	two.away.Store(-1)
	return two
}

// crowd has that many callers call at once, each once for every identity. It returns how many
// calls for each identity were degraded.
func crowd(t *testing.T, l *ratelimit.Limiter, identities, callers int) (degraded []int64) {
	degraded = make([]int64, identities)
	var wait sync.WaitGroup
	for c := range callers {
		wait.Go(func() {
			for i := range identities {
				i = (i + c) % identities
				r, err := l.Allow(context.Background(), strconv.Itoa(i))
				if err != nil || !r.Degraded && !r.Allowed {
					t.Errorf("error %v, result %+v", err, r)
				}
				if r.Degraded {
					atomic.AddInt64(&degraded[i], 1)
				}
			}
		})
	}
	wait.Wait()
	return degraded
}

// TestAcrossStrays checks that a run across partitions that a server refuses, because one of
// its keys is on the other server, goes again as one run for each partition. If one of these
// is refused too, it goes again as one run for each key. No decision is lost or made twice.
func TestAcrossStrays(t *testing.T) {
	const identities, callers = 40, 100
	s := newTwoServers(t)
	var seen runs
	var broken witness
	l := newLimiter(t, s, tokenbucket.Limit{Rate: 1_000_000, Period: month}, ratelimit.WithObserver(&seen), ratelimit.WithObserver(&broken))
	for round, strays := range []int64{-1, 2, 0, 3, -1, -1} {
		s.strays.Store(strays)
		s.unknown.Store(round == 4)
		s.panics.Store(round == 5)
		before := s.refused.Load()
		for _, n := range crowd(t, l, identities, callers) {
			require.Zero(t, n)
		}
		require.Equal(t, strays >= 0, s.refused.Load() > before)
		require.Equal(t, strays >= 0, s.between.Swap(0) > 0)
		several := 0
		for _, run := range seen.take() {
			if run.Keys > 1 {
				several++
			}
			if run.Err != nil {
				require.Regexp(t, "CROSSSLOT|MASTERDOWN|LOADING|TRYAGAIN", run.Err.Error())
			}
		}
		require.NotZero(t, several)
		for i := range identities {
			r, err := l.Peek(t.Context(), strconv.Itoa(i))
			require.NoError(t, err)
			require.EqualValues(t, 1_000_000-callers*(round+1), r.Remaining)
		}
	}
	require.Empty(t, broken.states())
}

// TestAcrossBreakers checks that a server that is away opens the breakers of its own
// partitions, and no others.
func TestAcrossBreakers(t *testing.T) {
	const identities = 40
	s := newTwoServers(t)
	var broken witness
	l := newLimiter(t, s, tokenbucket.Limit{Rate: 1_000_000, Period: month}, ratelimit.WithObserver(&broken))
	s.away.Store(1)
	degraded := crowd(t, l, identities, 100)
	for i := range identities {
		partition, _ := s.Partition(ratelimit.KeyOf(l, strconv.Itoa(i)))
		server, _ := s.Server(partition)
		require.Equal(t, server == 1, degraded[i] == 100, i)
		require.Equal(t, server == 0, degraded[i] == 0, i)
	}
	require.Equal(t, []ratelimit.BreakerState{ratelimit.BreakerOpen, ratelimit.BreakerOpen}, broken.states())
}
