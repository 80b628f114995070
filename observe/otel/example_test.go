package otel_test

import (
	"context"
	"fmt"
	"log"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	rlotel "github.com/distributed-rate-limiter/ratelimit/observe/otel"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
)

func ExampleNewMetrics() {
	redis, err := embedded.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer redis.Close()

	reader := sdkmetric.NewManualReader() // or one that exports
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	ctx := context.Background()
	defer provider.Shutdown(ctx)

	metrics, err := rlotel.NewMetrics(provider)
	if err != nil {
		log.Fatal(err)
	}
	limiter, err := ratelimit.New(redis, tokenbucket.Limit{Rate: 2, Period: time.Minute},
		ratelimit.WithObserver(metrics))
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		limiter.Allow(ctx, "user:42")
	}

	var all metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &all); err != nil {
		log.Fatal(err)
	}
	for _, m := range all.ScopeMetrics[0].Metrics {
		if m.Name == "rate_limiting.decisions" {
			total := int64(0)
			for _, point := range m.Data.(metricdata.Sum[int64]).DataPoints {
				total += point.Value
			}
			fmt.Println(m.Name, total)
		}
	}
	// Output:
	// rate_limiting.decisions 3
}

func ExampleNewTracer() {
	redis, err := embedded.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer redis.Close()

	exporter := tracetest.NewInMemoryExporter() // or one that sends
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))

	tracer, err := rlotel.NewTracer(provider)
	if err != nil {
		log.Fatal(err)
	}
	limiter, err := ratelimit.New(redis, tokenbucket.Limit{Rate: 2, Period: time.Minute},
		ratelimit.WithObserver(tracer))
	if err != nil {
		log.Fatal(err)
	}

	ctx, request := provider.Tracer("server").Start(context.Background(), "GET /")
	limiter.Allow(ctx, "user:42")
	request.End()
	for _, span := range exporter.GetSpans() {
		fmt.Println(span.Name)
	}
	// Output:
	// rate_limiting.decision
	// GET /
}
