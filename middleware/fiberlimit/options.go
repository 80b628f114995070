package fiberlimit

import (
	"github.com/gofiber/fiber/v3"

	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/internal/route"
)

// Option changes a default of a middleware.
type Option interface {
	apply(*config) error
}

type config = route.Config[fiber.Ctx]

type option func(*config) error

func (o option) apply(c *config) error { return o(c) }

// WithHeaders sets which header fields tell clients how much they may still send. The
// default is [httplimit.HeadersIETF].
func WithHeaders(headers httplimit.Headers) Option {
	return option(func(c *config) error { return c.SetHeaders(headers) })
}

// WithSkip lets a request through if skip returns true for it, without asking a limit or
// setting a header field. It is meant for health checks, preflights (method OPTIONS), and
// routes that are limited elsewhere. The Config of Fiber's own middleware has Next for
// this. By default no request is skipped. skip is called for each request. If the option
// is given several times, one true is enough.
func WithSkip(skip func(fiber.Ctx) bool) Option {
	return option(func(c *config) error { return c.AddSkip(skip) })
}

// Handler answers a request that is not let through. The header fields that describe d are
// already set when it is called. The handler writes the status, see
// [httplimit.Outcome.Status], and everything else. An error that it returns goes to the
// app's ErrorHandler:
//
//	func(_ fiber.Ctx, d httplimit.Decision) error { return fiber.NewError(d.Outcome.Status()) }
type Handler func(c fiber.Ctx, d httplimit.Decision) error

// WithHandler sets the handler for requests of an outcome: [httplimit.Denied],
// [httplimit.Unavailable], [httplimit.Invalid] or [httplimit.Failed]. The default answers
// as [httplimit.Guard.Reply] says.
func WithHandler(outcome httplimit.Outcome, handler Handler) Option {
	return option(func(c *config) error { return c.SetHandler(outcome, handler) })
}

// WithContext keeps the decision with the request, where handlers find it with
// [FromContext]. By default it does not, because it costs 2 allocations, and more if the
// app has PassLocalsToContext.
func WithContext() Option {
	return option(func(c *config) error {
		c.KeepsDecision = true
		return nil
	})
}
