package observe_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/observe"
)

// handler is a log handler that panics.
type handler struct{ slog.Handler }

func (handler) Enabled(context.Context, slog.Level) bool { return true }

func (handler) Handle(_ context.Context, r slog.Record) error {
	panic("cannot write " + r.Message + " about " + identity)
}

// When an observer panics, the caller still gets its result, the observers before and
// after it are still told, and the panic is reported without the identity that is in its
// value.
func TestPanic(t *testing.T) {
	panics := func(_ context.Context, e ratelimit.Event) {
		panic("cannot bear " + e.Identity.Reveal())
	}
	for _, test := range []struct {
		name     string
		observer ratelimit.Observer
		report   string
	}{
		{"Hooks", observe.Hooks{OnAllow: panics, OnBlock: panics, OnError: panics}, "observe.Hooks"},
		{"Slog", observe.Slog(slog.New(handler{})), "observe.logs"},
		{"Counts", audited{Counts: &observe.Counts{}}, "observe_test.audited"},
	} {
		t.Run(test.name, func(t *testing.T) {
			reports := defaultLog(t)
			var before, after observe.Counts
			options := []ratelimit.Option{
				ratelimit.WithObserver(&before),
				ratelimit.WithObserver(test.observer),
				ratelimit.WithObserver(&after),
			}
			working := newLimiter(t, startRedis(t), options...)
			failing := newLimiter(t, broken{errors.New("down")}, options...)

			for i := range 3 {
				result, err := working.Allow(t.Context(), identity)
				require.NoError(t, err)
				require.Equal(t, i < 2, result.Allowed)
				require.False(t, result.Degraded)
			}
			result, err := failing.Allow(t.Context(), identity)
			require.NoError(t, err)
			require.Equal(t, ratelimit.Result{Allowed: true, Limit: 2, Degraded: true}, result)
			_, err = working.Allow(ended(t), identity)
			require.ErrorIs(t, err, context.Canceled)

			want := observe.Snapshot{
				Allowed: 2, Denied: 1, DegradedAllowed: 1, Units: 3,
				Errors: map[ratelimit.ErrorClass]int64{ratelimit.ClassUnavailable: 1, ratelimit.ClassCanceled: 1},
				Runs:   4, RunDecisions: 4,
			}
			require.Equal(t, want, before.Snapshot())
			require.Equal(t, want, after.Snapshot())

			lines := 0
			for line := range strings.Lines(reports.String()) {
				lines++
				require.Contains(t, line, `msg="ratelimit: observer panicked" observer=`+test.report+" panic=string")
			}
			require.Equal(t, 5, lines)
			require.NotContains(t, reports.String(), "jane")
			require.NotContains(t, reports.String(), hash)
		})
	}
}

// audited is an observer that panics around a Counts, because a Counts has nothing that
// could.
type audited struct{ *observe.Counts }

func (a audited) Observe(ctx context.Context, e ratelimit.Event) {
	a.Counts.Observe(ctx, e)
	panic(e.Identity.Reveal())
}

// If the default logger itself panics, nobody is left to report it to, but the caller
// still gets its result.
func TestPanicOfTheDefaultLogger(t *testing.T) {
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	slog.SetDefault(slog.New(handler{}))
	limiter := newLimiter(t, startRedis(t), ratelimit.WithObserver(observe.Slog(nil)))
	result, err := limiter.Allow(t.Context(), identity)
	require.NoError(t, err)
	require.True(t, result.Allowed)
}
