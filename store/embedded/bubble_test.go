package embedded_test

import (
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
)

// TestBubble uses an embedded Redis as the package's documentation says for testing/synctest:
// in two bubbles, one after the other, with callers that share runs.
func TestBubble(t *testing.T) {
	redis, err := embedded.Start()
	require.NoError(t, err)
	t.Cleanup(func() { redis.Close() })
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			redis.SetTime(time.Now())
			limiter, err := ratelimit.New(redis, tokenbucket.Limit{Rate: 1, Period: time.Hour},
				ratelimit.WithNamespace("bubble"), ratelimit.WithTimeout(time.Minute)) // on the network, this is real time
			require.NoError(t, err)
			var callers sync.WaitGroup
			for i := range 32 {
				callers.Go(func() {
					identity := strconv.Itoa(i)
					assert.NoError(t, limiter.Reset(t.Context(), identity))
					for _, allowed := range []bool{true, false} {
						res, err := limiter.Allow(t.Context(), identity)
						assert.NoError(t, err)
						assert.False(t, res.Degraded)
						assert.Equal(t, allowed, res.Allowed)
						assert.True(t, time.Now().Equal(res.Now))
					}
				})
			}
			callers.Wait()
			time.Sleep(time.Hour)
			redis.Advance(time.Hour)
			res, err := limiter.Allow(t.Context(), "0")
			require.NoError(t, err)
			require.True(t, res.Allowed)
			require.False(t, res.Degraded)
		})
	}
}
