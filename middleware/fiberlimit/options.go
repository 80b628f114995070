package fiberlimit

import (
	"github.com/gofiber/fiber/v3"

	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/internal/route"
)

// Option sets something of a middleware other than its default.
type Option interface {
	apply(*config) error
}

type config = route.Config[fiber.Ctx]

type option func(*config) error

func (o option) apply(c *config) error { return o(c) }

// WithHeaders sets which header fields tell clients how they stand; the default is
// [httplimit.HeadersIETF].
func WithHeaders(headers httplimit.Headers) Option {
	return option(func(c *config) error { return c.SetHeaders(headers) })
}

// WithSkip lets requests through that skip says true of, without asking or telling
// anybody: health checks, preflights (method OPTIONS), what has a limit elsewhere.
// It is what Next is in the Config of Fiber's own middleware. The default is none.
// It is called for each request, and may be given several times.
func WithSkip(skip func(fiber.Ctx) bool) Option {
	return option(func(c *config) error { return c.AddSkip(skip) })
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
	return option(func(c *config) error { return c.SetHandler(outcome, handler) })
}

// WithContext keeps the decision with the request, where handlers find it by
// [FromContext]. The default is not to: it costs 2 allocations, and more where the
// app has PassLocalsToContext.
func WithContext() Option {
	return option(func(c *config) error {
		c.KeepsDecision = true
		return nil
	})
}
