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

// TestBreaker: each observer tells of a breaker that opens and, with nobody
// calling any more, becomes half-open.
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
		require.Len(t, changes, 1)
		require.Equal(t, ratelimit.BreakerOpen, changes[0].State)
		s := counts.Snapshot()
		require.EqualValues(t, 1, s.BreakersOpen)
		require.EqualValues(t, 1, s.BreakersOpened)
		require.EqualValues(t, 1, s.Errors[ratelimit.ClassBreaker])
		require.Contains(t, out.String(), `level=WARN msg="ratelimit: breaker" namespace=shop algorithm=token_bucket state=open class=unavailable err="broken pipe at shop:token_bucket:[identity]"`+"\n")
		require.NotContains(t, out.String(), hash)
		require.Equal(t, 3, strings.Count(out.String(), `msg="ratelimit: degraded"`), "once it is open, no line for each request")

		time.Sleep(time.Minute)
		require.Len(t, changes, 2)
		require.Equal(t, ratelimit.BreakerHalfOpen, changes[1].State)
		s = counts.Snapshot()
		require.Zero(t, s.BreakersOpen)
		require.EqualValues(t, 1, s.BreakersOpened)
		last := out.String()[strings.LastIndex(strings.TrimSuffix(out.String(), "\n"), "\n")+1:]
		require.Contains(t, last, `level=INFO msg="ratelimit: breaker" namespace=shop algorithm=token_bucket state=half-open elapsed=`)
	})
}
