package ginlimit

import (
	"github.com/gin-gonic/gin"

	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/internal/route"
)

// Option sets something of a middleware other than its default.
type Option interface {
	apply(*config) error
}

type config = route.Config[*gin.Context]

type option func(*config) error

func (o option) apply(c *config) error { return o(c) }

// WithHeaders sets which header fields tell clients how they stand; the default is
// [httplimit.HeadersIETF]. They cost 2 allocations, and HeadersNone none.
func WithHeaders(headers httplimit.Headers) Option {
	return option(func(c *config) error { return c.SetHeaders(headers) })
}

// WithSkip lets requests through that skip says true of, without asking or telling
// anybody: health checks, preflights (method OPTIONS), what has a limit elsewhere.
// The default is none. It is called for each request, and may be given several
// times.
func WithSkip(skip func(*gin.Context) bool) Option {
	return option(func(c *config) error { return c.AddSkip(skip) })
}

// Handler answers a request that is not let through. The header fields that tell
// of d are set and the request is aborted when it is called; the status and the
// rest are the handler's, see [httplimit.Outcome.Status].
type Handler func(c *gin.Context, d httplimit.Decision)

// WithHandler sets what answers requests of an outcome: [httplimit.Denied],
// [httplimit.Unavailable], [httplimit.Invalid] or [httplimit.Failed]. The default
// is what [httplimit.Guard.Reply] says.
func WithHandler(outcome httplimit.Outcome, handler Handler) Option {
	return option(func(c *config) error {
		if handler == nil {
			return c.SetHandler(outcome, nil) // which says what is wrong
		}
		return c.SetHandler(outcome, func(c *gin.Context, d httplimit.Decision) error {
			handler(c, d)
			return nil
		})
	})
}

// WithContext keeps the decision in gin's context, where handlers find it by
// [FromContext]. The default is not to: it costs 3 allocations, or 1 where the
// context has other values already.
func WithContext() Option {
	return option(func(c *config) error {
		c.KeepsDecision = true
		return nil
	})
}
