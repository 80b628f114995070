package otel_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	noop "go.opentelemetry.io/otel/trace/noop"

	"github.com/distributed-rate-limiter/ratelimit"
	rlotel "github.com/distributed-rate-limiter/ratelimit/observe/otel"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// record returns a tracer, the recorder of its spans, and a context with a span, all of
// one provider that has this sampler.
func record(t testing.TB, sampler sdk.Sampler) (*rlotel.Tracer, *tracetest.SpanRecorder, context.Context) {
	t.Helper()
	recorder := tracetest.NewSpanRecorder()
	provider := sdk.NewTracerProvider(sdk.WithSampler(sampler), sdk.WithSpanProcessor(recorder))
	t.Cleanup(func() { require.NoError(t, provider.Shutdown(context.Background())) })
	tracer, err := rlotel.NewTracer(provider)
	require.NoError(t, err)
	ctx, span := provider.Tracer("test").Start(t.Context(), "request")
	t.Cleanup(func() { span.End() })
	return tracer, recorder, ctx
}

func TestTracer(t *testing.T) {
	str := attribute.String
	units := func(n int64) attribute.KeyValue { return attribute.Int64("rate_limiting.units", n) }
	outcome := func(o string) attribute.KeyValue { return str("rate_limiting.outcome", o) }
	remaining := func(n int64) attribute.KeyValue { return attribute.Int64("rate_limiting.remaining", n) }
	limitOf2 := attribute.Int64("rate_limiting.limit", 2)
	degraded := attribute.Bool("rate_limiting.degraded", true)
	loading := broken{&store.ServerError{Message: "LOADING " + identity}}
	for _, test := range []struct {
		name   string
		store  store.Store // nil is a working Redis
		mode   ratelimit.FailureMode
		ended  bool
		n      []int64 // the span of the last one is checked
		span   string  // "decision" if empty
		want   []attribute.KeyValue
		status sdk.Status
	}{
		{name: "Allowed", n: []int64{1}, want: []attribute.KeyValue{units(1), outcome("allowed"), limitOf2, remaining(1)}},
		{name: "Denied", n: []int64{1, 2}, want: []attribute.KeyValue{units(2), outcome("denied"), limitOf2, remaining(1),
			attribute.Float64("rate_limiting.retry_after", 1800)}},
		{name: "Never", n: []int64{3}, want: []attribute.KeyValue{units(3), outcome("denied"), limitOf2, remaining(2)}},
		{name: "Peek", n: []int64{0}, span: "peek", want: []attribute.KeyValue{units(0), outcome("allowed"), limitOf2, remaining(2)}},
		{name: "FailOpen", store: loading, n: []int64{1}, want: []attribute.KeyValue{units(1), outcome("allowed"), limitOf2,
			str("error.type", "unavailable"), degraded}, status: sdk.Status{Code: codes.Error, Description: "unavailable"}},
		{name: "FailClosed", store: loading, mode: ratelimit.FailClosed, n: []int64{1}, want: []attribute.KeyValue{units(1), outcome("denied"), limitOf2,
			str("error.type", "unavailable"), degraded}, status: sdk.Status{Code: codes.Error, Description: "unavailable"}},
		{name: "Canceled", ended: true, n: []int64{1}, want: []attribute.KeyValue{units(1), outcome("canceled"), str("error.type", "canceled")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			tracer, recorder, ctx := record(t, sdk.AlwaysSample())
			if test.store == nil {
				test.store = startRedis(t)
			}
			limiter := newLimiter(t, test.store, tracer, ratelimit.WithFailureMode(test.mode))
			if test.ended {
				ctx = ended(ctx)
			}
			for _, n := range test.n {
				_, err := limiter.AllowN(ctx, identity, n)
				require.Equal(t, test.ended, err != nil)
			}
			spans := recorder.Ended()
			require.Len(t, spans, len(test.n))
			span := spans[len(spans)-1]
			if test.span == "" {
				test.span = "decision"
			}
			require.Equal(t, "rate_limiting."+test.span, span.Name())
			require.Equal(t, trace.SpanContextFromContext(ctx).SpanID(), span.Parent().SpanID())
			require.Equal(t, trace.SpanKindInternal, span.SpanKind())
			require.ElementsMatch(t, append(test.want, str("rate_limiting.namespace", "shop"), str("rate_limiting.algorithm", "token_bucket")),
				span.Attributes())
			require.Equal(t, test.status, span.Status())
			require.Empty(t, span.Events(), "an error's text is not recorded")
			require.NotContains(t, fmt.Sprintf("%+v", tracetest.SpanStubFromReadOnlySpan(span)), "jane")
			require.Equal(t, "github.com/distributed-rate-limiter/ratelimit/observe/otel", span.InstrumentationScope().Name)
		})
	}
}

// TestSpanTime checks that a span begins with its call and is as long as the call.
func TestSpanTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracer, recorder, ctx := record(t, sdk.AlwaysSample())
		hangs := hanging{}
		limiter := newLimiter(t, hangs, tracer, ratelimit.WithTimeout(40*time.Millisecond), ratelimit.WithoutBreaker())
		start := time.Now()
		allow(t, ctx, limiter, 1)
		span := recorder.Ended()[0]
		require.True(t, start.Equal(span.StartTime()))
		require.Equal(t, 40*time.Millisecond, span.EndTime().Sub(span.StartTime()))
		require.Equal(t, sdk.Status{Code: codes.Error, Description: "timeout"}, span.Status())
	})
}

type hanging struct{}

func (hanging) Prompt() bool { return true }

func (hanging) Run(ctx context.Context, _ *store.Script, _ []string, _ []int64) ([]int64, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestNotSampled checks that there is no span if its parent is not sampled, or if there is
// no parent.
func TestNotSampled(t *testing.T) {
	for _, sampler := range []sdk.Sampler{sdk.NeverSample(), recordOnly{}} {
		tracer, recorder, ctx := record(t, sampler)
		allow(t, ctx, newLimiter(t, startRedis(t), tracer), 1)
		require.Empty(t, recorder.Ended())
	}
	tracer, recorder, _ := record(t, sdk.AlwaysSample())
	limiter := newLimiter(t, startRedis(t), tracer)
	allow(t, t.Context(), limiter, 1)
	require.Empty(t, recorder.Ended())

	// A parent may be in another process.
	remote := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled, Remote: true})
	allow(t, trace.ContextWithRemoteSpanContext(t.Context(), remote), limiter, 1)
	require.Len(t, recorder.Ended(), 1)
	require.Equal(t, remote.TraceID(), recorder.Ended()[0].SpanContext().TraceID())
}

// recordOnly is a sampler whose spans are recorded, but not exported.
type recordOnly struct{}

func (recordOnly) ShouldSample(sdk.SamplingParameters) sdk.SamplingResult {
	return sdk.SamplingResult{Decision: sdk.RecordOnly}
}
func (recordOnly) Description() string { return "recordOnly" }

func TestNewTracer(t *testing.T) {
	for _, provider := range []trace.TracerProvider{nil, (*sdk.TracerProvider)(nil)} {
		tracer, err := rlotel.NewTracer(provider)
		require.EqualError(t, err, "ratelimit/observe/otel: tracer provider is nil")
		require.Nil(t, tracer)
	}
	tracer, err := rlotel.NewTracer(noop.NewTracerProvider())
	require.NoError(t, err)
	_, _, ctx := record(t, sdk.AlwaysSample())
	allow(t, ctx, newLimiter(t, broken{errors.New("away")}, tracer), 1)
}
