package fiberlimit

import (
	"errors"
	"fmt"

	"github.com/gofiber/fiber/v3"

	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

// Option sets something of a middleware other than its default.
type Option interface {
	apply(*config) error
}

type option func(*config) error

func (o option) apply(c *config) error { return o(c) }

// config is what options set.
type config struct {
	guard    []httplimit.GuardOption
	skip     func(fiber.Ctx) bool
	handlers map[httplimit.Outcome]Handler
	context  bool
}

// WithHeaders sets which header fields tell clients how they stand; the default is
// [httplimit.HeadersIETF].
func WithHeaders(headers httplimit.Headers) Option {
	return option(func(c *config) error {
		c.guard = append(c.guard, httplimit.WithHeaders(headers))
		return nil
	})
}

// WithSkip lets requests through that skip says true of, without asking or telling
// anybody: health checks, preflights (method OPTIONS), what has a limit elsewhere.
// It is what Next is in the Config of Fiber's own middleware. The default is none.
// It is called for each request, and may be given several times.
func WithSkip(skip func(fiber.Ctx) bool) Option {
	return option(func(c *config) error {
		if skip == nil {
			return errors.New("skip is nil")
		}
		before := c.skip
		if before == nil {
			c.skip = skip
		} else {
			c.skip = func(ctx fiber.Ctx) bool { return before(ctx) || skip(ctx) }
		}
		return nil
	})
}

// Handler answers a request that is not let through. The header fields that tell
// of d are set when it is called; the status and the rest are the handler's, see
// [httplimit.Outcome.Status]. An error that it returns goes to the app's
// ErrorHandler:
//
//	func(_ fiber.Ctx, d httplimit.Decision) error { return fiber.NewError(d.Outcome.Status()) }
type Handler func(c fiber.Ctx, d httplimit.Decision) error

// WithHandler sets what answers requests of an outcome: [httplimit.Denied],
// [httplimit.Unavailable], [httplimit.Invalid] or [httplimit.Failed]. The default
// is what [httplimit.Guard.Reply] says.
func WithHandler(outcome httplimit.Outcome, handler Handler) Option {
	return option(func(c *config) error {
		switch outcome {
		case httplimit.Denied, httplimit.Unavailable, httplimit.Invalid, httplimit.Failed:
		default:
			return fmt.Errorf("handler is for outcome %d (%v): must be for Denied, Unavailable, Invalid or Failed", outcome, outcome)
		}
		if handler == nil {
			return fmt.Errorf("handler for %v is nil", outcome)
		}
		if c.handlers == nil {
			c.handlers = map[httplimit.Outcome]Handler{}
		}
		c.handlers[outcome] = handler
		return nil
	})
}

// WithContext keeps the decision with the request, where handlers find it by
// [FromContext]. The default is not to: it costs 2 allocations, and more where the
// app has PassLocalsToContext.
func WithContext() Option {
	return option(func(c *config) error {
		c.context = true
		return nil
	})
}
