package httplimit

import (
	"errors"
	"fmt"
	"net/http"
)

// Option changes a default of a middleware.
type Option interface {
	apply(*config) error
}

// GuardOption is an [Option] that also applies to a [Guard].
type GuardOption interface {
	Option
	applyGuard(*guardConfig) error
}

type option func(*config) error

func (o option) apply(c *config) error { return o(c) }

type guardOption func(*guardConfig) error

func (o guardOption) apply(c *config) error { return o(&c.guardConfig) }

func (o guardOption) applyGuard(c *guardConfig) error { return o(c) }

// guardConfig is what the options of a guard set.
type guardConfig struct{ headers Headers }

// config is what options set.
type config struct {
	guardConfig
	skip     func(*http.Request) bool
	handlers [len(outcomes)]Handler
	context  bool
}

// WithHeaders sets which header fields tell clients how much they may still send. The
// default is [HeadersIETF]. The fields cost a request that is let through 2 allocations;
// HeadersNone costs none.
func WithHeaders(headers Headers) GuardOption {
	return guardOption(func(c *guardConfig) error {
		if headers < 0 || headers >= headersEnd {
			return fmt.Errorf("headers is %d: must be HeadersIETF, …, or HeadersNone", headers)
		}
		c.headers = headers
		return nil
	})
}

// WithSkip lets a request through if skip returns true for it, without asking a limit or
// setting a header field. It is meant for health checks, preflights (method OPTIONS), and
// routes that are limited elsewhere. By default no request is skipped. skip is called for
// each request. If the option is given several times, one true is enough.
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

// Handler answers a request that is not let through. The header fields that describe d are
// already set when it is called. The handler writes the status, see [Outcome.Status], and
// everything else.
type Handler func(w http.ResponseWriter, r *http.Request, d Decision)

// WithHandler sets the handler for requests of an outcome: [Denied], [Unavailable],
// [Invalid] or [Failed]. The default answers as [Guard.Reply] says. [Canceled] cannot have
// a handler, since nobody is left to read the answer.
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

// WithContext puts the decision into the request's context, where the handler finds it
// with [FromContext]. By default it does not, because it costs 2 allocations: the request
// has to be copied.
func WithContext() Option {
	return option(func(c *config) error {
		c.context = true
		return nil
	})
}
