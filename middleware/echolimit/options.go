package echolimit

import (
	"github.com/labstack/echo/v5"

	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/internal/route"
)

// Option sets something of a middleware other than its default.
type Option interface {
	apply(*config) error
}

type config = route.Config[*echo.Context]

type option func(*config) error

func (o option) apply(c *config) error { return o(c) }

// WithHeaders sets which header fields tell clients how they stand; the default is
// [httplimit.HeadersIETF]. They cost 2 allocations, and HeadersNone none.
func WithHeaders(headers httplimit.Headers) Option {
	return option(func(c *config) error { return c.SetHeaders(headers) })
}

// WithSkip lets requests through that skip says true of, without asking or telling
// anybody: health checks, preflights (method OPTIONS), what has a limit elsewhere.
// It is what other middlewares of Echo have a Skipper for. The default is none. It
// is called for each request, and may be given several times.
func WithSkip(skip func(*echo.Context) bool) Option {
	return option(func(c *config) error { return c.AddSkip(skip) })
}

// Handler answers a request that is not let through. The header fields that tell
// of d are set when it is called; the status and the rest are the handler's, see
// [httplimit.Outcome.Status]. An error that it returns goes the way of a handler's,
// to Echo's HTTPErrorHandler.
type Handler func(c *echo.Context, d httplimit.Decision) error

// WithHandler sets what answers requests of an outcome: [httplimit.Denied],
// [httplimit.Unavailable], [httplimit.Invalid] or [httplimit.Failed]. The default
// is what [httplimit.Guard.Reply] says.
func WithHandler(outcome httplimit.Outcome, handler Handler) Option {
	return option(func(c *config) error { return c.SetHandler(outcome, handler) })
}

// WithErrors has Echo's HTTPErrorHandler answer what is not let through: it gets an
// [*Error], with the header fields that tell of the decision set. The default is to
// answer at once, as [httplimit] does. A [WithHandler] after it has precedence.
// Where the client is gone before the request is decided there is no error.
func WithErrors() Option {
	return option(func(c *config) error {
		for _, outcome := range []httplimit.Outcome{httplimit.Denied, httplimit.Unavailable, httplimit.Invalid, httplimit.Failed} {
			err := c.SetHandler(outcome, func(_ *echo.Context, d httplimit.Decision) error { return &Error{d} })
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// WithContext keeps the decision in Echo's context, where handlers find it by
// [FromContext]. The default is not to: it costs an allocation.
func WithContext() Option {
	return option(func(c *config) error {
		c.KeepsDecision = true
		return nil
	})
}
