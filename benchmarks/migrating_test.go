package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-chi/httprate"
	httprateredis "github.com/go-chi/httprate-redis"
	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"github.com/throttled/throttled/v2"
	"github.com/throttled/throttled/v2/store/goredisstore.v9"
	"github.com/ulule/limiter/v3"
	"github.com/ulule/limiter/v3/drivers/middleware/stdlib"
	limiterredis "github.com/ulule/limiter/v3/drivers/store/redis"
	"golang.org/x/time/rate"

	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
)

// What docs/migrating.md shows of others stands here, and what it says of how they
// behave is tested here.

func beforeRedisRate(ctx context.Context, client *redis.Client) error {
	limiter := redis_rate.NewLimiter(client)

	res, err := limiter.Allow(ctx, "user:42", redis_rate.PerMinute(100))
	if err != nil {
		return err // Redis failed
	}
	if res.Allowed == 0 {
		return fmt.Errorf("retry after %v", res.RetryAfter)
	}
	return nil
}

func beforeThrottled(client *redis.Client, next http.Handler) (http.Handler, error) {
	store, err := goredisstore.NewCtx(client, "throttled:")
	if err != nil {
		return nil, err
	}
	quota := throttled.RateQuota{MaxRate: throttled.PerMin(100), MaxBurst: 19}
	limiter, err := throttled.NewGCRARateLimiterCtx(store, quota)
	if err != nil {
		return nil, err
	}

	limited, res, err := limiter.RateLimitCtx(context.Background(), "user:42", 1)
	if err != nil {
		return nil, err // Redis failed, or others were faster ten times
	}
	if limited {
		return nil, fmt.Errorf("retry after %v", res.RetryAfter)
	}

	byAddress := throttled.HTTPRateLimiterCtx{
		RateLimiter: limiter,
		VaryBy:      &throttled.VaryBy{RemoteAddr: true},
	}
	return byAddress.RateLimit(next), nil
}

func beforeUlule(ctx context.Context, client *redis.Client, next http.Handler) (http.Handler, error) {
	store, err := limiterredis.NewStore(client)
	if err != nil {
		return nil, err // Redis is down
	}
	limit := limiter.New(store, limiter.Rate{Limit: 100, Period: time.Minute})

	res, err := limit.Get(ctx, "user:42")
	if err != nil {
		return nil, err // Redis failed
	}
	if res.Reached {
		return nil, fmt.Errorf("retry at %v", time.Unix(res.Reset, 0))
	}

	return stdlib.NewMiddleware(limit).Handler(next), nil
}

func beforeHTTPRate(client *redis.Client, next http.Handler) http.Handler {
	byKey := func(r *http.Request) (string, error) { return r.Header.Get("X-API-Key"), nil }
	limit := httprate.LimitBy(100, time.Minute, byKey,
		httprateredis.WithRedisLimitCounter(&httprateredis.Config{Client: client, WindowLength: time.Minute}))
	return limit(next)
}

func beforeRate(ctx context.Context) error {
	limiter := rate.NewLimiter(rate.Every(time.Minute/100), 20)

	if !limiter.Allow() {
		return errors.New("too many")
	}
	return limiter.Wait(ctx)
}

func migratingClient(t *testing.T) (*redis.Client, *redistest.Server) {
	server := redistest.Start(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return client, server
}

var migratingNext = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})

func get(h http.Handler) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	return w
}

// TestMigratingBefore: the code before does what it is shown to do.
func TestMigratingBefore(t *testing.T) {
	client, _ := migratingClient(t)
	require.NoError(t, beforeRedisRate(t.Context(), client))
	h, err := beforeThrottled(client, migratingNext)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, get(h).Code)
	h, err = beforeUlule(t.Context(), client, migratingNext)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, get(h).Code)
	require.Equal(t, http.StatusOK, get(beforeHTTPRate(client, migratingNext)).Code)
	require.NoError(t, beforeRate(t.Context()))
}

func TestMigratingFromRedisRate(t *testing.T) {
	client, _ := migratingClient(t)
	limiter := redis_rate.NewLimiter(client)
	allow := func(key string, limit redis_rate.Limit, n int) *redis_rate.Result {
		res, err := limiter.AllowN(t.Context(), key, limit, n)
		require.NoError(t, err)
		return res
	}
	few := 0
	for i := range 100 {
		fresh := allow(fmt.Sprint("fresh", i), redis_rate.PerSecond(10), 1)
		require.EqualValues(t, -1, fresh.RetryAfter)
		if fresh.Remaining == 8 {
			few++
		}
	}
	require.Positive(t, few, "keys of which 9 remain and that say 8")
	t.Logf("of 100 fresh keys of 10 a second, %d say that 8 remain", few)
	never := allow("never", redis_rate.PerSecond(10), 11)
	require.Zero(t, never.Allowed)
	require.InDelta(t, 100*time.Millisecond, never.RetryAfter, float64(time.Millisecond))
	none := allow("none", redis_rate.Limit{Rate: 10, Period: time.Second}, 1)
	require.Zero(t, none.Allowed, "a Burst of 0 allows nothing")
	some, err := limiter.AllowAtMost(t.Context(), "some", redis_rate.PerHour(5), 8)
	require.NoError(t, err)
	require.InDelta(t, 5, some.Allowed, 1)
}

func TestMigratingFromThrottled(t *testing.T) {
	client, _ := migratingClient(t)
	store, err := goredisstore.NewCtx(client, "throttled:")
	require.NoError(t, err)
	limiter, err := throttled.NewGCRARateLimiterCtx(store, throttled.RateQuota{MaxRate: throttled.PerHour(100), MaxBurst: 19})
	require.NoError(t, err)
	limited, res, err := limiter.RateLimitCtx(t.Context(), "x", 20)
	require.NoError(t, err)
	require.False(t, limited, "MaxBurst is one less than can be taken at once")
	require.EqualValues(t, 20, res.Limit)
	require.EqualValues(t, -1, res.RetryAfter)
	limited, res, err = limiter.RateLimitCtx(t.Context(), "x", 21)
	require.NoError(t, err)
	require.True(t, limited)
	require.EqualValues(t, -1, res.RetryAfter, "of what no wait helps")
	w := get((&throttled.HTTPRateLimiterCtx{RateLimiter: limiter}).RateLimit(migratingNext))
	require.Equal(t, "20", w.Header().Get("X-RateLimit-Limit"))
	require.Equal(t, "36", w.Header().Get("X-RateLimit-Reset"), "seconds from now")
}

func TestMigratingFromUlule(t *testing.T) {
	client, server := migratingClient(t)
	store, err := limiterredis.NewStore(client)
	require.NoError(t, err)
	limit := limiter.New(store, limiter.Rate{Limit: 2, Period: time.Hour})
	res, err := limit.Increment(t.Context(), "x", 3)
	require.NoError(t, err)
	require.True(t, res.Reached)
	res, err = limit.Get(t.Context(), "x")
	require.NoError(t, err)
	require.True(t, res.Reached, "what was denied was charged")
	require.InDelta(t, time.Now().Add(time.Hour).Unix(), res.Reset, 2)

	h := stdlib.NewMiddleware(limit).Handler(migratingNext)
	get(h)
	get(h)
	w := get(h)
	require.Equal(t, http.StatusTooManyRequests, w.Code)
	require.NotEmpty(t, w.Header().Get("X-RateLimit-Reset"))
	require.Empty(t, w.Header().Get("Retry-After"))

	away := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1, DialerRetries: 1})
	defer away.Close()
	_, err = limiterredis.NewStore(away)
	require.Error(t, err, "New dials")
	server.Kill()
	require.Panics(t, func() { get(h) }, "Redis being away")
}

func TestMigratingFromHTTPRate(t *testing.T) {
	client, server := migratingClient(t)
	open := func(disabled bool) http.Handler {
		return httprate.LimitBy(2, time.Hour, httprate.Key("x"), httprateredis.WithRedisLimitCounter(&httprateredis.Config{
			Client: client, WindowLength: time.Hour, FallbackDisabled: disabled}))(migratingNext)
	}
	strict, falls := open(true), open(false)
	get(strict)
	get(strict)
	w := get(strict)
	require.Equal(t, http.StatusTooManyRequests, w.Code)
	require.Equal(t, "3600", w.Header().Get("Retry-After"), "the whole window")
	require.NotEmpty(t, w.Header().Get("X-RateLimit-Reset"))

	server.Kill()
	require.Equal(t, http.StatusPreconditionRequired, get(strict).Code)
	require.Equal(t, http.StatusOK, get(falls).Code, "in memory, by a count of its own")
}

func TestMigratingFromRate(t *testing.T) {
	limiter := rate.NewLimiter(rate.Every(time.Hour), 2)
	require.True(t, limiter.AllowN(time.Now(), 2))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.ErrorContains(t, limiter.Wait(ctx), "would exceed context deadline")
	require.ErrorContains(t, limiter.WaitN(ctx, 3), "exceeds limiter's burst 2")
}
