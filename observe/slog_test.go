package observe_test

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/observe"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
)

func TestSlog(t *testing.T) {
	const limiterIs = `namespace=shop algorithm=token_bucket `
	loading := broken{&store.ServerError{Message: "LOADING loading"}}
	for _, test := range []struct {
		name  string
		store store.Store // nil is a working Redis
		mode  ratelimit.FailureMode
		ctx   func(testing.TB) context.Context
		n     []int64
		want  string // the last line
	}{
		{name: "Allowed", n: []int64{1}, want: `level=DEBUG msg="ratelimit: allowed" ` + limiterIs + `n=1 outcome=allowed remaining=1`},
		{name: "Denied", n: []int64{1, 2}, want: `level=INFO msg="ratelimit: denied" ` + limiterIs + `n=2 outcome=denied remaining=1 retry_after=500ms`},
		{name: "Never", n: []int64{3}, want: `level=INFO msg="ratelimit: denied" ` + limiterIs + `n=3 outcome=denied remaining=2`},
		{name: "Peeked", n: []int64{0}, want: `level=DEBUG msg="ratelimit: peeked" ` + limiterIs + `n=0 outcome=allowed remaining=2`},
		{name: "FailOpen", store: loading, n: []int64{1}, want: `level=WARN msg="ratelimit: degraded" ` + limiterIs + `n=1 outcome=allowed class=unavailable err="redis: LOADING loading"`},
		{name: "FailClosed", store: loading, mode: ratelimit.FailClosed, n: []int64{1}, want: `level=WARN msg="ratelimit: degraded" ` + limiterIs + `n=1 outcome=denied class=unavailable err="redis: LOADING loading"`},
		{name: "PeekFails", store: loading, n: []int64{0}, want: `level=WARN msg="ratelimit: degraded" ` + limiterIs + `n=0 outcome=allowed class=unavailable err="redis: LOADING loading"`},
		{name: "Canceled", ctx: ended, n: []int64{1}, want: `level=DEBUG msg="ratelimit: canceled" ` + limiterIs + `n=1 outcome=canceled class=canceled err="ratelimit: decision was given up: context canceled"`},
		{name: "KeyInError", store: broken{errors.New("no '" + key + "' or '" + key + "x'")}, n: []int64{1}, want: `level=WARN msg="ratelimit: degraded" ` + limiterIs + `n=1 outcome=allowed class=unavailable err="no 'shop:token_bucket:[identity]' or 'shop:token_bucket:[identity]x'"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx := t.Context()
			if test.ctx != nil {
				ctx = test.ctx(t)
			}
			if test.store == nil {
				test.store = startRedis(t)
			}
			logger, out := textLogger(slog.LevelDebug)
			limiter := newLimiter(t, test.store, ratelimit.WithFailureMode(test.mode), ratelimit.WithObserver(observe.Slog(logger)))
			for _, n := range test.n {
				out.Reset()
				_, err := limiter.AllowN(ctx, identity, n)
				require.Equal(t, ctx.Err() != nil, err != nil)
			}
			require.Equal(t, test.want+"\n", out.String())
		})
	}
}

// A Redis that does not know EVALSHA quotes the key in its error, or as much of it as it
// has room for. Neither the error that observers get nor the log may have any of it.
func TestSlogCutsKeyFromRedisError(t *testing.T) {
	server := redistest.Start(t, "--rename-command", "EVALSHA", "")
	s, err := goredis.Open(server.URL())
	require.NoError(t, err)
	defer s.Close()

	var told string
	spy := observe.Hooks{OnError: func(_ context.Context, e ratelimit.Event) { told = e.Err.Error() }}
	logger, out := textLogger(slog.LevelDebug)
	limiter := newLimiter(t, s, ratelimit.WithObserver(spy), ratelimit.WithObserver(observe.Slog(logger)))
	_, err = limiter.Allow(t.Context(), identity)
	require.NoError(t, err)
	for _, text := range []string{told, out.String()} {
		require.Contains(t, text, "unknown command")
		require.NotContains(t, text, hash[:8])
	}
}

func TestSlogLevels(t *testing.T) {
	for _, test := range []struct {
		level slog.Level
		want  int // lines
	}{{slog.LevelDebug, 5}, {slog.LevelInfo, 2}, {slog.LevelWarn, 1}, {slog.LevelError, 0}} {
		logger, out := textLogger(test.level)
		for _, e := range events {
			observe.Slog(logger).Observe(t.Context(), e)
		}
		lines := 0
		for range strings.Lines(out.String()) {
			lines++
		}
		require.Equal(t, test.want, lines, test.level)
	}
}

func TestSlogDefault(t *testing.T) {
	observer := observe.Slog(nil)
	out := defaultLog(t) // set after the observer was made
	observer.Observe(t.Context(), events[0])
	require.Contains(t, out.String(), "ratelimit: allowed")
}

// events has one event for each message.
var events = []ratelimit.Event{
	{N: 1, Identity: ratelimit.NewIdentity(identity), Result: ratelimit.Result{Allowed: true}},
	{N: 1, Identity: ratelimit.NewIdentity(identity)},
	{N: 0, Identity: ratelimit.NewIdentity(identity), Result: ratelimit.Result{Allowed: true}},
	{N: 1, Identity: ratelimit.NewIdentity(identity), Result: ratelimit.Result{Degraded: true}, Err: errors.New("down"), Class: ratelimit.ClassUnavailable},
	{N: 1, Identity: ratelimit.NewIdentity(identity), Err: context.Canceled, Class: ratelimit.ClassCanceled},
}

func TestSlogDisabledAllocatesNothing(t *testing.T) {
	logger, out := textLogger(slog.LevelError)
	observer := observe.Slog(logger)
	ctx := t.Context()
	allocs := testing.AllocsPerRun(100, func() {
		for _, e := range events {
			observer.Observe(ctx, e)
		}
	})
	require.Zero(t, allocs)
	require.Zero(t, out.Len())
}

func BenchmarkSlog(b *testing.B) {
	for _, level := range []slog.Level{slog.LevelInfo, slog.LevelDebug} {
		b.Run("AllowedAt"+level.String(), func(b *testing.B) {
			observer := observe.Slog(slog.New(slog.NewTextHandler(discard{}, &slog.HandlerOptions{Level: level})), observe.SlogLines(math.MaxUint))
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				observer.Observe(ctx, events[0])
			}
		})
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
