package route

import (
	"errors"
	"fmt"

	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

// Config is what options set. The zero value has all defaults.
type Config[C any] struct {
	// KeepsDecision tells that handlers can read the decision.
	KeepsDecision bool

	guard    []httplimit.GuardOption
	skip     func(C) bool
	handlers map[httplimit.Outcome]func(C, httplimit.Decision) error
}

// SetHeaders sets which header fields responses get.
func (c *Config[C]) SetHeaders(headers httplimit.Headers) error {
	c.guard = append(c.guard, httplimit.WithHeaders(headers))
	return nil
}

// AddSkip lets a request through if skip returns true for it.
func (c *Config[C]) AddSkip(skip func(C) bool) error {
	if skip == nil {
		return errors.New("skip is nil")
	}
	if before := c.skip; before != nil {
		c.skip = func(request C) bool { return before(request) || skip(request) }
	} else {
		c.skip = skip
	}
	return nil
}

// Skips reports whether a request passes without asking a limit.
func (c *Config[C]) Skips(request C) bool { return c.skip != nil && c.skip(request) }

// SetHandler sets the handler for requests of an outcome.
func (c *Config[C]) SetHandler(outcome httplimit.Outcome, handler func(C, httplimit.Decision) error) error {
	switch outcome {
	case httplimit.Denied, httplimit.Unavailable, httplimit.Invalid, httplimit.Failed:
	default:
		return fmt.Errorf("handler is for outcome %d (%v): must be for Denied, Unavailable, Invalid or Failed", outcome, outcome)
	}
	if handler == nil {
		return fmt.Errorf("handler for %v is nil", outcome)
	}
	if c.handlers == nil {
		c.handlers = map[httplimit.Outcome]func(C, httplimit.Decision) error{}
	}
	c.handlers[outcome] = handler
	return nil
}

// Handler returns the handler for requests of an outcome, or nil.
func (c *Config[C]) Handler(outcome httplimit.Outcome) func(C, httplimit.Decision) error {
	return c.handlers[outcome]
}
