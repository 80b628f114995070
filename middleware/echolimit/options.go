package echolimit

import (
	"github.com/labstack/echo/v5"

	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/internal/route"
)

// Option changes a default of a middleware.
type Option interface {
	apply(*config) error
}

type config = route.Config[*echo.Context]

type option func(*config) error

func (o option) apply(c *config) error { return o(c) }

// WithHeaders sets which header fields tell clients how much they may still send. The
// default is [httplimit.HeadersIETF]. The fields cost 2 allocations; HeadersNone costs
// none.
func WithHeaders(headers httplimit.Headers) Option {
	return option(func(c *config) error { return c.SetHeaders(headers) })
}

// WithSkip lets a request through if skip returns true for it, without asking a limit or
// setting a header field. It is meant for health checks, preflights (method OPTIONS), and
// routes that are limited elsewhere. Other middlewares of Echo have a Skipper for this. By
// default no request is skipped. skip is called for each request. If the option is given
// several times, one true is enough.
func WithSkip(skip func(*echo.Context) bool) Option {
	return option(func(c *config) error { return c.AddSkip(skip) })
}

// Handler answers a request that is not let through. The header fields that describe d are
// already set when it is called. The handler writes the status, see
// [httplimit.Outcome.Status], and everything else. If it returns an error, that goes to
// Echo's HTTPErrorHandler, like any handler's.
type Handler func(c *echo.Context, d httplimit.Decision) error

// WithHandler sets the handler for requests of an outcome: [httplimit.Denied],
// [httplimit.Unavailable], [httplimit.Invalid] or [httplimit.Failed]. The default answers
// as [httplimit.Guard.Reply] says.
func WithHandler(outcome httplimit.Outcome, handler Handler) Option {
	return option(func(c *config) error { return c.SetHandler(outcome, handler) })
}

// WithErrors leaves the answer to a request that is not let through to Echo's
// HTTPErrorHandler, which gets an [*Error]. The header fields that describe the decision
// are already set. By default the request is answered at once, as by [httplimit]. A
// [WithHandler] after this option takes precedence. There is no error for a client that is
// gone before its request is decided.
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

// WithContext keeps the decision in Echo's context, where handlers find it with
// [FromContext]. By default it does not, because it costs an allocation.
func WithContext() Option {
	return option(func(c *config) error {
		c.KeepsDecision = true
		return nil
	})
}
