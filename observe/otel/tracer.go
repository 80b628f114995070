package otel

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// Tracer is an observer that makes a span for each call of a limiter, named
// "rate_limiting.decision", or "rate_limiting.peek" for a Peek. Make one with [NewTracer].
// It is safe for concurrent use.
//
// The span is a child of the span in the call's context, and is made only if that span is
// sampled. Then a call costs what a span costs in the provider, some 4 µs in
// OpenTelemetry's own; otherwise it costs 0.02 µs and no allocation.
//
// The span's status is Error if Redis did not answer, with the class of the error as its
// description and as error.type. The status is left unset for a denial, which is no failure,
// and if the call's own context ended.
type Tracer struct{ tracer trace.Tracer }

var _ ratelimit.Observer = (*Tracer)(nil)

// NewTracer returns an observer that makes spans with provider. It returns an error if
// provider is nil. For no spans, use OpenTelemetry's noop.TracerProvider.
func NewTracer(provider trace.TracerProvider) (*Tracer, error) {
	if isNil(provider) {
		return nil, errors.New("ratelimit/observe/otel: tracer provider is nil")
	}
	return &Tracer{provider.Tracer(scope)}, nil
}

// Observe implements [ratelimit.Observer].
func (t *Tracer) Observe(ctx context.Context, e ratelimit.Event) {
	if !trace.SpanContextFromContext(ctx).IsSampled() {
		return
	}
	name := "rate_limiting.decision"
	if e.N == 0 {
		name = "rate_limiting.peek"
	}
	end := time.Now()
	_, span := t.tracer.Start(ctx, name, trace.WithTimestamp(end.Add(-e.Elapsed)), trace.WithAttributes(describe(e)...))
	if e.Err != nil && e.Class != ratelimit.ClassCanceled {
		span.SetStatus(codes.Error, string(e.Class))
	}
	span.End(trace.WithTimestamp(end))
}

// describe returns the attributes of a call.
func describe(e ratelimit.Event) []attribute.KeyValue {
	attrs := append(make([]attribute.KeyValue, 0, 8),
		namespaceKey.String(e.Namespace),
		algorithmKey.String(e.Algorithm),
		unitsKey.Int64(e.N),
		outcomeKey.String(outcome(e)),
	)
	if e.Class == ratelimit.ClassCanceled {
		return append(attrs, errorKey.String(string(e.Class)))
	}
	attrs = append(attrs, limitKey.Int64(e.Result.Limit))
	if e.Err != nil {
		return append(attrs, errorKey.String(string(e.Class)), degradedKey.Bool(e.Result.Degraded))
	}
	attrs = append(attrs, remainingKey.Int64(e.Result.Remaining))
	if wait := e.Result.RetryAfter; wait > 0 && wait != algorithm.Never {
		attrs = append(attrs, retryAfterKey.Float64(wait.Seconds()))
	}
	return attrs
}

func outcome(e ratelimit.Event) string {
	switch {
	case e.Class == ratelimit.ClassCanceled:
		return "canceled"
	case e.Result.Allowed:
		return "allowed"
	}
	return "denied"
}
