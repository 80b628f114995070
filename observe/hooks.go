package observe

import (
	"context"

	"github.com/distributed-rate-limiter/ratelimit"
)

// Hooks is an observer that calls those of its functions that are not nil. OnAllow, OnBlock
// and OnError run on the goroutine of the request. All functions must be fast and safe for
// concurrent use.
type Hooks struct {
	// OnAllow is called for each request that is let through, and OnBlock for each that is
	// denied, whether Redis or the failure mode decided it. Result.Degraded is true if the
	// failure mode did. Neither is called for a Peek, nor for a request whose own context
	// ended, because those are not decisions.
	OnAllow, OnBlock func(context.Context, ratelimit.Event)

	// OnError is called if Redis did not decide: Err is not nil, and Class is the class of
	// the error. It is also called for a Peek, and, with [ratelimit.ClassCanceled], if the
	// request's own context ended. If the failure mode decides, OnAllow or OnBlock is
	// called after OnError.
	OnError func(context.Context, ratelimit.Event)

	// OnBreaker is called when a breaker of the limiter opens, closes or becomes half-open,
	// on whatever goroutine finds that out.
	OnBreaker func(ratelimit.BreakerEvent)

	// OnRun is called for each run of the limiter's script, before the callers in that run
	// get their results.
	OnRun func(ratelimit.RunEvent)
}

// Observe implements [ratelimit.Observer].
func (h Hooks) Observe(ctx context.Context, e ratelimit.Event) {
	if e.Err != nil {
		call(h.OnError, ctx, e)
	}
	switch {
	case !e.Decided():
	case e.Result.Allowed:
		call(h.OnAllow, ctx, e)
	default:
		call(h.OnBlock, ctx, e)
	}
}

// ObserveBreaker implements [ratelimit.BreakerObserver].
func (h Hooks) ObserveBreaker(e ratelimit.BreakerEvent) {
	if h.OnBreaker != nil {
		h.OnBreaker(e)
	}
}

// ObserveRun implements [ratelimit.RunObserver].
func (h Hooks) ObserveRun(e ratelimit.RunEvent) {
	if h.OnRun != nil {
		h.OnRun(e)
	}
}

func call(hook func(context.Context, ratelimit.Event), ctx context.Context, e ratelimit.Event) {
	if hook != nil {
		hook(ctx, e)
	}
}
