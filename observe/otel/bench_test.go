package otel_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/distributed-rate-limiter/ratelimit"
	rlotel "github.com/distributed-rate-limiter/ratelimit/observe/otel"
)

// BenchmarkObserve measures observing alone, with four limiters.
func BenchmarkObserve(b *testing.B) {
	allowed := ratelimit.Event{Algorithm: "token_bucket", N: 1, Result: ratelimit.Result{Allowed: true}, Elapsed: 700 * time.Microsecond}
	degraded := allowed
	degraded.Err, degraded.Class, degraded.Result.Degraded = errors.New("away"), ratelimit.ClassBreaker, true

	metrics, _ := measure(b)
	dropped, _ := measure(b, sdkmetric.WithView(sdkmetric.NewView(
		sdkmetric.Instrument{Name: "rate_limiting.decision.duration"}, sdkmetric.Stream{Aggregation: sdkmetric.AggregationDrop{}})))
	provider := sdk.NewTracerProvider()
	b.Cleanup(func() { require.NoError(b, provider.Shutdown(context.Background())) })
	tracer, err := rlotel.NewTracer(provider)
	require.NoError(b, err)
	sampled, span := provider.Tracer("test").Start(b.Context(), "request")
	defer span.End()

	for _, bench := range []struct {
		name     string
		observer ratelimit.Observer
		event    ratelimit.Event
		ctx      context.Context
	}{
		{"Metrics/Allowed", metrics, allowed, b.Context()},
		{"Metrics/Degraded", metrics, degraded, b.Context()},
		{"Metrics/DurationDropped", dropped, allowed, b.Context()},
		{"Tracer/NotSampled", tracer, allowed, b.Context()},
		{"Tracer/Sampled", tracer, allowed, sampled},
	} {
		var events [4]ratelimit.Event
		for i, namespace := range []string{"shop", "login", "search", "export"} {
			events[i] = bench.event
			events[i].Namespace = namespace
		}
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				bench.observer.Observe(bench.ctx, events[i%4])
			}
		})
		b.Run(bench.name+"Parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					bench.observer.Observe(bench.ctx, events[i%4])
				}
			})
		})
	}
	b.Run("Metrics/Run", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			metrics.ObserveRun(ratelimit.RunEvent{Namespace: "shop", Algorithm: "token_bucket", Decisions: 17})
		}
	})
}

// BenchmarkAllow measures a decision on a store that answers at once, with an observer
// that does nothing and with those of this package.
func BenchmarkAllow(b *testing.B) {
	metrics, _ := measure(b)
	tracer, _, _ := record(b, sdk.AlwaysSample())
	for _, bench := range []struct {
		name     string
		observer ratelimit.Observer
	}{{"Without", idle{}}, {"Metrics", metrics}, {"TracerNotSampled", tracer}} {
		limiter := newLimiter(b, &replay{Store: startRedis(b)}, bench.observer, ratelimit.WithoutBatching())
		allow(b, b.Context(), limiter, 1)
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
