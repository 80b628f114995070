package httplimit

import (
	"errors"
	"fmt"
	"net/http"
)

// Option sets something of a middleware other than its default.
type Option interface {
	apply(*config) error
}

// GuardOption is an [Option] that a [Guard] has, too.
type GuardOption interface {
	Option
	applyGuard(*guardConfig) error
}

type option func(*config) error

func (o option) apply(c *config) error { return o(c) }

type guardOption func(*guardConfig) error

func (o guardOption) apply(c *config) error { return o(&c.guardConfig) }

func (o guardOption) applyGuard(c *guardConfig) error { return o(c) }

// guardConfig is what options of a guard set.
type guardConfig struct{ headers Headers }

// config is what options set.
type config struct {
	guardConfig
	skip     func(*http.Request) bool
	handlers [len(outcomes)]Handler
	context  bool
}

// WithHeaders sets which header fields tell clients how they stand; the default is
// [HeadersIETF]. On the way of a request that is let through they cost 2
// allocations; HeadersNone costs none.
func WithHeaders(headers Headers) GuardOption {
	return guardOption(func(c *guardConfig) error {
		if headers < 0 || headers >= headersEnd {
			return fmt.Errorf("headers is %d: must be HeadersIETF, …, or HeadersNone", headers)
		}
		c.headers = headers
		return nil
	})
}

// WithSkip lets requests through that skip says true of, without asking or telling
// anybody: health checks, preflights (method OPTIONS), what has a limit elsewhere.
// The default is none. It is called for each request, and may be given several
// times.
func WithSkip(skip func(*http.Request) bool) Option {
	return option(func(c *config) error {
		if skip == nil {
			return errors.New("skip is nil")
		}
		before := c.skip
		if before == nil {
			c.skip = skip
		} else {
			c.skip = func(r *http.Request) bool { return before(r) || skip(r) }
		}
		return nil
	})
}

// Handler answers a request that is not let through. The header fields that tell
// of d are set when it is called; the status and the rest are the handler's, see
// [Outcome.Status].
type Handler func(w http.ResponseWriter, r *http.Request, d Decision)

// WithHandler sets what answers requests of an outcome: [Denied], [Unavailable],
// [Invalid] or [Failed]. The default is what [Guard.Reply] says. One that is [Canceled]
// has nobody to read an answer.
func WithHandler(outcome Outcome, handler Handler) Option {
	return option(func(c *config) error {
		switch {
		case !outcome.known() || outcome == Allowed || outcome == Canceled:
			return fmt.Errorf("handler is for outcome %d (%v): must be for Denied, Unavailable, Invalid or Failed", outcome, outcome)
		case handler == nil:
			return fmt.Errorf("handler for %v is nil", outcome)
		}
		c.handlers[outcome] = handler
		return nil
	})
}

// WithContext puts the decision into the request's context, where the handler finds
// it by [FromContext]. The default is not to: it costs 2 allocations, since the
// request has to be copied.
func WithContext() Option {
	return option(func(c *config) error {
		c.context = true
		return nil
	})
}
