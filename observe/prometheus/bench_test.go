package prometheus_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	rlprometheus "github.com/distributed-rate-limiter/ratelimit/observe/prometheus"
)

// BenchmarkObserve measures observing alone, with four limiters.
func BenchmarkObserve(b *testing.B) {
	allowed := ratelimit.Event{Algorithm: "token_bucket", N: 1, Result: ratelimit.Result{Allowed: true}, Elapsed: 700 * time.Microsecond}
	degraded := allowed
	degraded.Err, degraded.Class, degraded.Result.Degraded = errors.New("away"), ratelimit.ClassBreaker, true
	native := rlprometheus.WithNativeHistograms(1.1)
	for _, bench := range []struct {
		name    string
		event   ratelimit.Event
		options []rlprometheus.Option
	}{
		{"Allowed", allowed, nil},
		{"Degraded", degraded, nil},
		{"AllowedNative", allowed, []rlprometheus.Option{native}},
	} {
		observer, _ := watch(b, bench.options...)
		var events [4]ratelimit.Event
		for i, namespace := range []string{"shop", "login", "search", "export"} {
			events[i] = bench.event
			events[i].Namespace = namespace
		}
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			ctx := b.Context()
			for i := 0; b.Loop(); i++ {
				observer.Observe(ctx, events[i%4])
			}
		})
		b.Run(bench.name+"Parallel", func(b *testing.B) {
			b.ReportAllocs()
			ctx := b.Context()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					observer.Observe(ctx, events[i%4])
				}
			})
		})
	}
	b.Run("Run", func(b *testing.B) {
		observer, _ := watch(b)
		b.ReportAllocs()
		for b.Loop() {
			observer.ObserveRun(ratelimit.RunEvent{Namespace: "shop", Algorithm: "token_bucket", Decisions: 17})
		}
	})
}

// BenchmarkAllow measures a decision on a store that answers at once, with an observer
// that does nothing and with this one.
func BenchmarkAllow(b *testing.B) {
	observer, _ := watch(b)
	for _, bench := range []struct {
		name     string
		observer ratelimit.Observer
	}{{"Without", idle{}}, {"With", observer}} {
		limiter := newLimiter(b, &replay{Store: startRedis(b)}, bench.observer, ratelimit.WithoutBatching())
		_, err := limiter.Allow(b.Context(), "x")
		require.NoError(b, err)
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = limiter.Allow(context.Background(), "user:12345")
			}
		})
		b.Run(bench.name+"Parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					_, _ = limiter.Allow(context.Background(), "user:12345")
				}
			})
		})
	}
}

type idle struct{}

func (idle) Observe(context.Context, ratelimit.Event) {}
