package observe_test

import (
	"expvar"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/observe"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

var _ expvar.Var = (*observe.Counts)(nil)

func TestCounts(t *testing.T) {
	var counts observe.Counts
	readonly := broken{&store.ServerError{Message: "READONLY You can't write against a read only replica."}}
	redis := startRedis(t)
	working := newLimiter(t, redis, ratelimit.WithObserver(&counts))
	open := newLimiter(t, readonly, ratelimit.WithObserver(&counts))
	closed := newLimiter(t, readonly, ratelimit.WithObserver(&counts), ratelimit.WithFailureMode(ratelimit.FailClosed))
	require.Equal(t, observe.Snapshot{Errors: map[ratelimit.ErrorClass]int64{}}, counts.Snapshot())

	for _, n := range []int64{2, 1, 3, 0} { // allowed, denied, denied, peeked
		_, err := working.AllowN(t.Context(), identity, n)
		require.NoError(t, err)
	}
	for _, n := range []int64{2, 1, 3, 0} { // allowed, allowed, denied in any mode, peeked
		_, err := open.AllowN(t.Context(), identity, n)
		require.NoError(t, err)
	}
	_, err := closed.Allow(t.Context(), identity)
	require.NoError(t, err)
	_, err = working.Allow(ended(t), identity)
	require.Error(t, err)

	require.Equal(t, observe.Snapshot{
		Allowed: 1, Denied: 2,
		DegradedAllowed: 2, DegradedDenied: 2,
		Units:  2 + 3,
		Errors: map[ratelimit.ErrorClass]int64{ratelimit.ClassUnavailable: 5, ratelimit.ClassCanceled: 1},
		Runs:   4 + 4 + 1, RunDecisions: 4 + 4 + 1, // none for the call whose context had ended
	}, counts.Snapshot())
	require.JSONEq(t, `{
		"allowed": 1, "denied": 2, "degraded_allowed": 2, "degraded_denied": 2, "units": 5,
		"errors": {"unavailable": 5, "canceled": 1}, "breakers_open": 0, "breakers_opened": 0,
		"runs": 9, "run_decisions": 9
	}`, counts.String())
}

func TestCountsConcurrently(t *testing.T) {
	const workers, requests = 8, 100
	var counts observe.Counts
	limiter := newLimiter(t, startRedis(t), ratelimit.WithObserver(&counts))
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for range requests {
				if _, err := limiter.Allow(t.Context(), identity); err != nil {
					t.Error(err)
				}
				_ = counts.Snapshot()
			}
		})
	}
	group.Wait()
	got := counts.Snapshot()
	require.LessOrEqual(t, got.Runs, got.RunDecisions)
	got.Runs = 0
	require.Equal(t, observe.Snapshot{
		Allowed: 2, Denied: workers*requests - 2, Units: 2,
		Errors:       map[ratelimit.ErrorClass]int64{},
		RunDecisions: workers * requests,
	}, got)
}

// Each class of error is counted under its name, and an unknown one as "other".
func TestCountsEveryClass(t *testing.T) {
	classes := ratelimit.ErrorClasses()
	var counts observe.Counts
	want := map[ratelimit.ErrorClass]int64{"other": 1}
	for _, class := range append(classes, "a class of tomorrow") {
		counts.Observe(t.Context(), ratelimit.Event{Class: class, Err: store.ErrReply})
	}
	for _, class := range classes {
		want[class] = 1
	}
	require.Equal(t, want, counts.Snapshot().Errors)
}

// TestCountsBreakers checks that a breaker counts as open until it is half-open or closed.
func TestCountsBreakers(t *testing.T) {
	var counts observe.Counts
	state := ratelimit.BreakerClosed
	for _, next := range []struct {
		state        ratelimit.BreakerState
		open, opened int64
	}{
		{ratelimit.BreakerOpen, 1, 1},
		{ratelimit.BreakerClosed, 0, 1},
		{ratelimit.BreakerOpen, 1, 2},
		{ratelimit.BreakerHalfOpen, 0, 2},
		{ratelimit.BreakerClosed, 0, 2},
	} {
		counts.ObserveBreaker(ratelimit.BreakerEvent{From: state, State: next.state})
		state = next.state
		s := counts.Snapshot()
		require.Equal(t, next.open, s.BreakersOpen)
		require.Equal(t, next.opened, s.BreakersOpened)
	}
}

func BenchmarkCounts(b *testing.B) {
	var counts observe.Counts
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			counts.Observe(b.Context(), events[0])
		}
	})
}
