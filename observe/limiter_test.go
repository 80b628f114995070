package observe_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
)

// identity must not appear in any log.
const identity = "jane.doe@example.com"

// key is the key of identity in Redis, under the limiters of newLimiter.
const key = "shop:token_bucket:" + hash

const hash = "86e0b9e56c17cc4d12387e1949b85053fbe73bc3ce5a1188713a9d300cc6133d"

// limit lets two requests through.
var limit = tokenbucket.Limit{Rate: 2, Period: time.Second}

func newLimiter(t testing.TB, s store.Store, options ...ratelimit.Option) *ratelimit.Limiter {
	t.Helper()
	options = append([]ratelimit.Option{
		ratelimit.WithNamespace("shop"),
		ratelimit.WithTimeout(10 * time.Second),
	}, options...)
	limiter, err := ratelimit.New(s, limit, options...)
	require.NoError(t, err)
	return limiter
}

// startRedis returns a Redis whose clock stands still.
func startRedis(t testing.TB) *embedded.Redis {
	t.Helper()
	redis, err := embedded.Start()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, redis.Close()) })
	redis.SetTime(redis.Now())
	return redis
}

// broken is a store that fails.
type broken struct{ err error }

func (b broken) Run(context.Context, *store.Script, []string, []int64) ([]int64, error) {
	return nil, b.err
}

// ended returns a context that has ended.
func ended(t testing.TB) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
