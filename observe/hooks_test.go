package observe_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/observe"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

func TestHooks(t *testing.T) {
	loading := broken{&store.ServerError{Message: "LOADING Redis is loading the dataset in memory"}}
	for _, test := range []struct {
		name    string
		store   store.Store // nil is a working Redis
		mode    ratelimit.FailureMode
		ctx     func(testing.TB) context.Context
		request []int64 // the n of each
		want    []string
	}{
		{name: "Decisions", request: []int64{1, 2, 1, 3}, want: []string{"allow 1", "block 2", "allow 1", "block 3"}},
		{name: "Peek", request: []int64{0}},
		{name: "FailOpen", store: loading, request: []int64{1, 3}, want: []string{
			"error 1 unavailable", "allow 1 degraded", "error 3 unavailable", "block 3 degraded",
		}},
		{name: "FailClosed", store: loading, mode: ratelimit.FailClosed, request: []int64{1}, want: []string{
			"error 1 unavailable", "block 1 degraded",
		}},
		{name: "PeekFails", store: loading, request: []int64{0}, want: []string{"error 0 unavailable"}},
		{name: "Canceled", ctx: ended, request: []int64{1, 0}, want: []string{"error 1 canceled", "error 0 canceled"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx := t.Context()
			if test.ctx != nil {
				ctx = test.ctx(t)
			}
			if test.store == nil {
				test.store = startRedis(t)
			}
			var got []string
			limiter := newLimiter(t, test.store, ratelimit.WithFailureMode(test.mode), ratelimit.WithObserver(record(&got)))
			for _, n := range test.request {
				_, err := limiter.AllowN(ctx, identity, n)
				require.Equal(t, ctx.Err() != nil, err != nil)
			}
			require.Equal(t, test.want, got)
		})
	}
}

// A call with wrong arguments is no event: no hook is called.
func TestHooksNotCalled(t *testing.T) {
	var got []string
	limiter := newLimiter(t, broken{}, ratelimit.WithObserver(record(&got)))
	_, err := limiter.Allow(t.Context(), "")
	require.ErrorIs(t, err, ratelimit.ErrIdentity)
	_, err = limiter.AllowN(t.Context(), identity, -1)
	require.ErrorIs(t, err, ratelimit.ErrN)
	require.Empty(t, got)
}

func TestHooksNil(t *testing.T) {
	panics := defaultLog(t)
	for _, s := range []store.Store{startRedis(t), broken{context.DeadlineExceeded}} {
		limiter := newLimiter(t, s, ratelimit.WithObserver(observe.Hooks{}))
		for range 3 {
			_, err := limiter.Allow(t.Context(), identity)
			require.NoError(t, err)
		}
	}
	require.Empty(t, panics.String())
}

func TestHooksOnRun(t *testing.T) {
	var all []ratelimit.RunEvent
	hooks := observe.Hooks{OnRun: func(e ratelimit.RunEvent) { all = append(all, e) }}
	limiter := newLimiter(t, startRedis(t), ratelimit.WithObserver(hooks))
	for _, n := range []int64{1, 0} {
		_, err := limiter.AllowN(t.Context(), identity, n)
		require.NoError(t, err)
	}
	require.Len(t, all, 2)
	for _, e := range all {
		e.Elapsed = 0
		require.Equal(t, ratelimit.RunEvent{Namespace: "shop", Algorithm: "token_bucket", Decisions: 1, Keys: 1}, e)
	}
}
