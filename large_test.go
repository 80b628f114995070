package ratelimit_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/slidingwindow"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
)

// TestLargeStates checks that where states are large, few keys are in a run, so that Redis has
// time for others in between, and that all calls are decided.
func TestLargeStates(t *testing.T) {
	s, err := goredis.Open(redistest.Start(t).URL())
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	for _, c := range []struct {
		rate int64
		keys int // the most that a run may have
	}{{1000, 16}, {5000, 3}, {50_000, 1}} {
		t.Run(fmt.Sprint(c.rate), func(t *testing.T) {
			var seen runs
			limit := slidingwindow.Log{Rate: c.rate, Period: time.Hour}
			l, err := ratelimit.New(s, limit, ratelimit.WithObserver(&seen), ratelimit.WithTimeout(time.Minute))
			require.NoError(t, err)
			const callers, times = 100, 5
			var wait sync.WaitGroup
			for i := range callers {
				wait.Go(func() {
					id, left := fmt.Sprint(c.rate, " ", i), c.rate
					for j := range times {
						n := c.rate - times // nearly all at once, then one by one
						if j > 0 {
							n = 1
						}
						left -= n
						r, err := l.AllowN(t.Context(), id, n)
						if err != nil || !r.Allowed || r.Degraded || r.Remaining != left {
							t.Errorf("%s: %+v, %v: not %d remaining", id, r, err, left)
						}
					}
				})
			}
			wait.Wait()
			decisions, most := 0, 0
			for _, e := range seen.take() {
				require.NoError(t, e.Err)
				decisions, most = decisions+e.Decisions, max(most, e.Keys)
			}
			require.Equal(t, callers*times, decisions)
			require.LessOrEqual(t, most, c.keys)
		})
	}
	t.Run("NearlyEmpty", func(t *testing.T) {
		var seen runs
		l, err := ratelimit.New(s, slidingwindow.Log{Rate: 5000, Period: time.Hour}, ratelimit.WithObserver(&seen),
			ratelimit.WithNamespace("empty"), ratelimit.WithTimeout(time.Minute))
		require.NoError(t, err)
		var wait sync.WaitGroup
		for i := range 100 {
			wait.Go(func() {
				for range 50 {
					if r, err := l.Allow(t.Context(), fmt.Sprint(i)); err != nil || r.Degraded {
						t.Errorf("%+v, %v", r, err)
					}
				}
			})
		}
		wait.Wait()
		most := 0
		for _, e := range seen.take() {
			most = max(most, e.Keys)
		}
		require.Greater(t, most, 20, "they are small, as is found soon")
	})
}
