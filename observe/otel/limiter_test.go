package otel_test

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

// identity must not appear in any telemetry.
const identity = "jane.doe@example.com"

// limit lets two requests through.
var limit = tokenbucket.Limit{Rate: 2, Period: time.Hour}

func newLimiter(t testing.TB, s store.Store, o ratelimit.Observer, options ...ratelimit.Option) *ratelimit.Limiter {
	t.Helper()
	options = append([]ratelimit.Option{
		ratelimit.WithNamespace("shop"),
		ratelimit.WithTimeout(10 * time.Second),
		ratelimit.WithObserver(o),
	}, options...)
	limiter, err := ratelimit.New(s, limit, options...)
	require.NoError(t, err)
	return limiter
}

func allow(t testing.TB, ctx context.Context, l *ratelimit.Limiter, n int64) {
	t.Helper()
	_, err := l.AllowN(ctx, identity, n)
	require.NoError(t, err)
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

// replay is a store that asks another one once, and then repeats its reply.
type replay struct {
	store.Store
	reply []int64
}

func (r *replay) Prompt() bool { return true }

func (r *replay) Run(ctx context.Context, s *store.Script, keys []string, args []int64) (_ []int64, err error) {
	if r.reply == nil {
		r.reply, err = r.Store.Run(ctx, s, keys, args)
	}
	return r.reply, err
}

// ended returns a context that has ended.
func ended(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx
}
