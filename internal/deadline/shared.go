package deadline

import (
	"context"
	"time"
)

// shared is a Context whose Done is Passed.
type shared Context

// Shared returns the context for work that asks for Done, but hardly ever waits for it. Its
// Done is Passed, which costs next to nothing. If the context may be cancelled before its
// deadline, Shared returns it unchanged.
func (c *Context) Shared() context.Context {
	if c.Cancelled() != nil {
		return c
	}
	return c.Uncancelled()
}

// Uncancelled returns the context for work that goes on until the deadline. Its Done is
// Passed, even if the context may be cancelled.
func (c *Context) Uncancelled() context.Context { return (*shared)(c) }

// Deadline implements [context.Context].
func (s *shared) Deadline() (time.Time, bool) { return s.at, true }

// Done implements [context.Context].
func (s *shared) Done() <-chan struct{} { return (*Context)(s).Passed() }

// Err implements [context.Context].
func (s *shared) Err() error { return (*Context)(s).Err() }
