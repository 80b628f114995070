package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// runs is an observer that keeps the events of runs.
type runs struct {
	events
	mu  sync.Mutex
	all []ratelimit.RunEvent
}

func (r *runs) ObserveRun(e ratelimit.RunEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, e)
}

// take returns the runs that were seen since it was last called.
func (r *runs) take() []ratelimit.RunEvent {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.all
	r.all = nil
	return all
}

// sizes returns the number of decisions and of keys of each run.
func sizes(all []ratelimit.RunEvent) (sizes [][2]int) {
	for _, e := range all {
		sizes = append(sizes, [2]int{e.Decisions, e.Keys})
	}
	return sizes
}

// inOneLane returns n identities of one lane, so that their calls wait for each other.
func inOneLane(t *testing.T, l *ratelimit.Limiter, n int) (identities []string) {
	for i := 0; len(identities) < n; i++ {
		identity := fmt.Sprint(i)
		key := ratelimit.KeyOf(l, identity)
		hash, err := strconv.ParseUint(key[strings.LastIndex(key, ":")+1:][:2], 16, 8)
		require.NoError(t, err)
		if hash%ratelimit.Lanes == 0 {
			identities = append(identities, identity)
		}
	}
	return identities
}

// together has calls for the identities go to Redis in one run, after a run for the first
// identity alone. An n of 0 is a Peek.
func together(t *testing.T, h *held, l *ratelimit.Limiter, n int64, identities ...string) {
	var wait sync.WaitGroup
	for i, identity := range append(identities[:1:1], identities...) {
		wait.Go(func() { _, _ = l.AllowN(context.Background(), identity, n) })
		if i == 0 {
			<-h.arrived
		} else {
			await(t, l, i)
		}
	}
	close(h.letGo)
	wait.Wait()
}

func TestRunObserver(t *testing.T) {
	limit := tokenbucket.Limit{Rate: 10, Period: time.Hour}

	t.Run("Alone", func(t *testing.T) {
		for _, options := range [][]ratelimit.Option{nil, {ratelimit.WithoutBatching()}} {
			var seen runs
			l := newLimiter(t, start(t), limit, append(options, ratelimit.WithObserver(&seen), ratelimit.WithNamespace("shop"))...)
			allow(t, l, "x", 3)
			_, err := l.Peek(t.Context(), "x")
			require.NoError(t, err)
			require.NoError(t, l.Reset(t.Context(), "x"))
			all := seen.take()
			require.Len(t, all, 2, "Reset is none")
			for _, e := range all {
				require.Positive(t, e.Elapsed)
				e.Elapsed = 0
				require.Equal(t, ratelimit.RunEvent{Namespace: "shop", Algorithm: "token_bucket", Decisions: 1, Keys: 1}, e)
			}
		}
	})

	t.Run("Together", func(t *testing.T) {
		for _, n := range []int64{1, 0} {
			var seen runs
			h := hold(start(t))
			l := newLimiter(t, h, limit, ratelimit.WithObserver(&seen), ratelimit.WithTimeout(time.Minute))
			ids := inOneLane(t, l, 3)
			together(t, h, l, n, ids[0], ids[1], ids[0], ids[2], ids[2], ids[2])
			require.Equal(t, [][2]int{{1, 1}, {6, 3}}, sizes(seen.take()))
		}
	})

	// The observers of each joined limiter are told.
	t.Run("Joint", func(t *testing.T) {
		var seen runs
		redis := start(t)
		second := newLimiter(t, redis, limit, ratelimit.WithNamespace("second"), ratelimit.WithObserver(&seen))
		day := newLimiter(t, redis, limit, ratelimit.WithNamespace("day"), ratelimit.WithObserver(&seen))
		joint, err := ratelimit.Join(second, day)
		require.NoError(t, err)
		_, err = joint.Allow(t.Context(), "x")
		require.NoError(t, err)
		all := seen.take()
		require.Len(t, all, 2)
		for i, namespace := range []string{"second", "day"} {
			all[i].Elapsed = 0
			require.Equal(t, ratelimit.RunEvent{Namespace: namespace, Algorithm: "token_bucket", Decisions: 1, Keys: 1}, all[i])
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = joint.Allow(ctx, "x")
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, seen.take(), "nothing was sent")
	})

	// A Cluster refuses the run of all keys, and gets one for each slot instead.
	t.Run("Cluster", func(t *testing.T) {
		h := hold(oneSlot{start(t)})
		for _, s := range []store.Store{h, pipeline{h}} {
			h.letGo = make(chan struct{})
			var seen runs
			l := newLimiter(t, s, limit, ratelimit.WithObserver(&seen), ratelimit.WithTimeout(time.Minute))
			ids := inOneLane(t, l, 3)
			together(t, h, l, 1, ids[0], ids[0], ids[1], ids[2])
			for len(h.arrived) > 0 {
				<-h.arrived
			}
			all := seen.take()
			require.Equal(t, [2]int{4, 3}, sizes(all)[1])
			require.ErrorContains(t, all[1].Err, "CROSSSLOT")
			require.Equal(t, ratelimit.ClassUnavailable, all[1].Class)
			rest := sizes(all)[2:]
			slices.SortFunc(rest, func(a, b [2]int) int { return a[0] - b[0] })
			require.Equal(t, [][2]int{{1, 1}, {1, 1}, {2, 1}}, rest)
			for _, e := range all[2:] {
				require.NoError(t, e.Err)
			}
		}
	})

	t.Run("Fails", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var m moody
			var seen runs
			l, err := ratelimit.New(&m, fast, ratelimit.WithObserver(&seen))
			require.NoError(t, err)
			m.set(refuses)
			for range 10 {
				_, err := l.Allow(t.Context(), "x")
				require.NoError(t, err)
			}
			all := seen.take()
			require.Len(t, all, 3, "then the breaker is open, and nothing goes to Redis")
			require.Equal(t, ratelimit.ClassRefused, all[2].Class)
			require.Error(t, all[2].Err)
			time.Sleep(time.Second)
			_, probes := m.counts()
			require.NotZero(t, probes)
			require.Empty(t, seen.take(), "probes are for no caller")
			m.comeBack()
		})
	})

	t.Run("NotInTime", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for _, s := range []store.Store{&moody{away: hangs}, plain{&moody{away: hangs}}} {
				var seen runs
				l, err := ratelimit.New(s, fast, ratelimit.WithObserver(&seen), ratelimit.WithoutBreaker())
				require.NoError(t, err)
				_, err = l.Allow(t.Context(), "x")
				require.NoError(t, err)
				all := seen.take()
				require.Len(t, all, 1)
				require.Equal(t, ratelimit.ClassTimeout, all[0].Class)
				require.Equal(t, 250*time.Millisecond, all[0].Elapsed)
			}
		})
	})

	t.Run("GivenUp", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var seen runs
			l, err := ratelimit.New(&moody{away: hangs}, fast, ratelimit.WithObserver(&seen))
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			_, err = l.Allow(ctx, "x")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			all := seen.take()
			require.Len(t, all, 1)
			require.Equal(t, ratelimit.ClassCanceled, all[0].Class)
			require.ErrorIs(t, all[0].Err, context.DeadlineExceeded)
		})
	})

	t.Run("NotSent", func(t *testing.T) {
		var seen runs
		l := newLimiter(t, &moody{}, fast, ratelimit.WithObserver(&seen), ratelimit.WithoutBatching())
		ratelimit.Crowd(l)
		r, err := l.Allow(t.Context(), "x")
		require.NoError(t, err)
		require.True(t, r.Degraded)
		require.Empty(t, seen.take())
	})

	t.Run("Panics", func(t *testing.T) {
		var seen runs
		l := newLimiter(t, start(t), limit, ratelimit.WithObserver(clumsy{&seen}), ratelimit.WithObserver(&seen))
		allow(t, l, "x", 1)
		require.Len(t, seen.take(), 1, "those after it are told")
	})
}

// newcomers is an observer that keeps the events of new limiters, and panics.
type newcomers struct {
	events
	all []ratelimit.LimiterEvent
}

func (n *newcomers) ObserveLimiter(e ratelimit.LimiterEvent) {
	n.all = append(n.all, e)
	panic("seen")
}

// TestLimiterObserver checks that observers are told once of each limiter that New makes.
func TestLimiterObserver(t *testing.T) {
	var seen newcomers
	for _, namespace := range []string{"shop", "login"} {
		l := newLimiter(t, &moody{}, fast, ratelimit.WithObserver(&seen), ratelimit.WithNamespace(namespace))
		l.WithFailureMode(ratelimit.FailClosed)
	}
	_, err := ratelimit.New(&moody{}, tokenbucket.Limit{}, ratelimit.WithObserver(&seen))
	require.Error(t, err)
	require.Equal(t, []ratelimit.LimiterEvent{
		{Namespace: "shop", Algorithm: "token_bucket"},
		{Namespace: "login", Algorithm: "token_bucket"},
	}, seen.all)
}

func TestDecided(t *testing.T) {
	for _, test := range []struct {
		event ratelimit.Event
		want  bool
	}{
		{ratelimit.Event{N: 1}, true},
		{ratelimit.Event{N: 1, Class: ratelimit.ClassTimeout}, true},
		{ratelimit.Event{N: 0}, false},
		{ratelimit.Event{N: 1, Class: ratelimit.ClassCanceled}, false},
	} {
		require.Equal(t, test.want, test.event.Decided(), test.event)
	}
}

// oneSlot is a store whose Redis refuses to run a script on several keys.
type oneSlot struct{ store.Store }

func (s oneSlot) Run(ctx context.Context, script *store.Script, keys []string, args []int64) ([]int64, error) {
	if len(keys) > 1 {
		return nil, &store.ServerError{Message: "CROSSSLOT Keys in request don't hash to the same slot"}
	}
	return s.Store.Run(ctx, script, keys, args)
}

// pipeline is a store that takes several runs at once.
type pipeline struct{ store.Store }

func (p pipeline) RunAll(ctx context.Context, s *store.Script, all []store.Run) {
	for i := range all {
		r := &all[i]
		r.Reply, r.Err = p.Run(ctx, s, r.Keys, r.Args)
	}
}

// clumsy is an observer that panics.
type clumsy struct{ ratelimit.Observer }

func (clumsy) ObserveRun(ratelimit.RunEvent) { panic(errors.New("clumsy")) }
