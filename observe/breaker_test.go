package observe_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/observe"
)

// TestBreaker checks that each observer reports a breaker that opens, and that it is
// half-open later although nobody calls any more.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var counts observe.Counts
		var changes []ratelimit.BreakerEvent
		hooks := observe.Hooks{OnBreaker: func(e ratelimit.BreakerEvent) { changes = append(changes, e) }}
		logger, out := textLogger(slog.LevelInfo)
		limiter := newLimiter(t, broken{errors.New("broken pipe at " + key)}, ratelimit.WithObserver(&counts),
			ratelimit.WithObserver(hooks), ratelimit.WithObserver(observe.Hooks{}), ratelimit.WithObserver(observe.Slog(logger)))
		for range 4 {
			_, err := limiter.Allow(t.Context(), identity)
			require.NoError(t, err)
		}
		s := counts.Snapshot()
		require.EqualValues(t, 1, s.BreakersOpen)
		require.EqualValues(t, 1, s.BreakersOpened)
		require.EqualValues(t, 1, s.Errors[ratelimit.ClassBreaker])

		time.Sleep(time.Minute)
		synctest.Wait()
		s = counts.Snapshot()
		require.Zero(t, s.BreakersOpen)
		require.EqualValues(t, 1, s.BreakersOpened)
		require.Len(t, changes, 2)
		require.Equal(t, ratelimit.BreakerOpen, changes[0].State)
		require.Equal(t, ratelimit.BreakerHalfOpen, changes[1].State)
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		require.Len(t, lines, 6, "three that were asked for, and once it is open no line for each request: %s", out)
		require.Equal(t, `level=WARN msg="ratelimit: breaker" namespace=shop algorithm=token_bucket state=open class=unavailable err="broken pipe at shop:token_bucket:[identity]"`, lines[2])
		require.Contains(t, lines[4], `level=INFO msg="ratelimit: breaker" namespace=shop algorithm=token_bucket state=half-open elapsed=`)
		require.Equal(t, `level=WARN msg="ratelimit: degraded" namespace=shop algorithm=token_bucket not_asked=1`, lines[5])
		require.NotContains(t, out.String(), hash)
	})
}
