package ginlimit

import (
	"github.com/gin-gonic/gin"

	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/internal/route"
)

// Option changes a default of a middleware.
type Option interface {
	apply(*config) error
}

type config = route.Config[*gin.Context]

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
// routes that are limited elsewhere. By default no request is skipped. skip is called for
// each request. If the option is given several times, one true is enough.
func WithSkip(skip func(*gin.Context) bool) Option {
	return option(func(c *config) error { return c.AddSkip(skip) })
}

// Handler answers a request that is not let through. When it is called, the header fields
// that describe d are already set, and the request is aborted. The handler writes the
// status, see [httplimit.Outcome.Status], and everything else.
type Handler func(c *gin.Context, d httplimit.Decision)

// WithHandler sets the handler for requests of an outcome: [httplimit.Denied],
// [httplimit.Unavailable], [httplimit.Invalid] or [httplimit.Failed]. The default answers
// as [httplimit.Guard.Reply] says.
func WithHandler(outcome httplimit.Outcome, handler Handler) Option {
	return option(func(c *config) error {
		if handler == nil {
			return c.SetHandler(outcome, nil) // it says what is wrong
		}
		return c.SetHandler(outcome, func(c *gin.Context, d httplimit.Decision) error {
			handler(c, d)
			return nil
		})
	})
}

// WithContext keeps the decision in gin's context, where handlers find it with
// [FromContext]. By default it does not, because it costs 3 allocations, or 1 if the
// context already has other values.
func WithContext() Option {
	return option(func(c *config) error {
		c.KeepsDecision = true
		return nil
	})
}
