// Package otel provides observers of limiters for OpenTelemetry: [Metrics] and [Tracer].
//
//	import rlotel "github.com/distributed-rate-limiter/ratelimit/observe/otel"
//
//	metrics, err := rlotel.NewMetrics(meterProvider)
//	…
//	tracer, err := rlotel.NewTracer(tracerProvider)
//	…
//	limiter, err := ratelimit.New(store, limit,
//		ratelimit.WithObserver(metrics),
//		ratelimit.WithObserver(tracer),
//	)
//
// Each may serve any number of limiters. Both need only OpenTelemetry's API, and use the
// providers that they are given, never the global ones.
//
// # Attributes
//
//	rate_limiting.namespace    the limiter's, as in its keys
//	rate_limiting.algorithm    the limiter's, as in its keys
//	rate_limiting.outcome      "allowed" or "denied"; of spans also "canceled"
//	error.type                 one of [ratelimit.ErrorClasses]; metrics say "_OTHER" for
//	                           a class of a later version
//
// and, of spans only,
//
//	rate_limiting.units        what was asked for; 0 for a Peek
//	rate_limiting.limit        what a fresh identity can take at once
//	rate_limiting.remaining    what is left; absent if Redis did not answer
//	rate_limiting.retry_after  seconds; absent where no wait helps, or none is needed
//	rate_limiting.degraded     true if the failure mode decided
//
// No part of an identity is ever an attribute, nor is the text of an error. Metrics treat
// limiters beyond the first thousand as one, named "(others)".
package otel

import (
	"reflect"

	"go.opentelemetry.io/otel/attribute"
)

// scope is the name of the instrumentation.
const scope = "github.com/distributed-rate-limiter/ratelimit/observe/otel"

const (
	namespaceKey  = attribute.Key("rate_limiting.namespace")
	algorithmKey  = attribute.Key("rate_limiting.algorithm")
	outcomeKey    = attribute.Key("rate_limiting.outcome")
	errorKey      = attribute.Key("error.type")
	unitsKey      = attribute.Key("rate_limiting.units")
	limitKey      = attribute.Key("rate_limiting.limit")
	remainingKey  = attribute.Key("rate_limiting.remaining")
	retryAfterKey = attribute.Key("rate_limiting.retry_after")
	degradedKey   = attribute.Key("rate_limiting.degraded")
)

// isNil reports whether v is nil or holds a nil pointer.
func isNil(v any) bool {
	if v == nil {
		return true
	}
	r := reflect.ValueOf(v)
	return r.Kind() == reflect.Pointer && r.IsNil()
}
