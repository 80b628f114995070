// Package deadline has the context of the limiter's runs, which costs little where
// its deadline is all that is asked for.
package deadline

import (
	"context"
	"sync"
	"time"
)

// Context is a context that ends at an instant, or earlier with the one that it
// is made of. It is [context.WithDeadline] for the many runs whose client looks
// at the deadline only: the rest is made when it is asked for.
type Context struct {
	context.Context // whose values it has
	from, at        time.Time

	mu      sync.Mutex
	err     error           // why it is over, once that was seen
	full    context.Context // whose Done is ours; nil until asked for
	cancel  context.CancelFunc
	watched chan struct{} // Done of Watched; nil until asked for
	ends    *Ends
	end     *end // of which Passed is; nil until asked for
}

// Within returns a context that ends after timeout. Its End is to be called when
// it is no longer needed.
func (e *Ends) Within(ctx context.Context, timeout time.Duration) *Context {
	now := time.Now()
	if at, ok := ctx.Deadline(); ok {
		timeout = min(timeout, at.Sub(now))
	}
	return &Context{Context: ctx, from: now, at: now.Add(timeout), ends: e}
}

// Ending returns two channels, one of which is closed when ctx ends; either may be nil. For
// a Context they are Passed and Cancelled, which cost little.
func Ending(ctx context.Context) (passed, cancelled <-chan struct{}) {
	if c, ok := ctx.(*Context); ok {
		return c.Passed(), c.Cancelled()
	}
	return nil, ctx.Done()
}

// Began returns when the context was made.
func (c *Context) Began() time.Time { return c.from }

// Cancelled is closed when the context ends before its deadline; it is nil if that cannot
// happen. To wait for Cancelled and Passed is to wait for Done, at less cost.
func (c *Context) Cancelled() <-chan struct{} { return c.Context.Done() }

// Passed is closed when the deadline has passed, 2 ms late at most; or, after End, at any
// time until then. It costs next to nothing.
func (c *Context) Passed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil { // it may be over for good: its end has been given back
		return closed
	}
	if c.end == nil {
		c.end = c.ends.at(c.at)
	}
	return c.end.passed
}

var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// End ends the context, and frees what it has. It may be called more than once.
func (c *Context) End() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over() == nil {
		c.err = context.Canceled
	}
	if c.cancel != nil {
		c.cancel()
	}
	if c.end != nil {
		c.ends.giveBack(c.end)
		c.end = nil
	}
	if c.watched != nil {
		select {
		case <-c.watched:
		default:
			close(c.watched)
		}
	}
}

// Deadline implements [context.Context].
func (c *Context) Deadline() (time.Time, bool) { return c.at, true }

// Done implements [context.Context].
func (c *Context) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.full == nil {
		c.full, c.cancel = context.WithDeadline(c.Context, c.at)
		if c.err != nil {
			c.cancel()
		}
	}
	return c.full.Done()
}

// Err implements [context.Context].
func (c *Context) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over()
}

// over returns why the context is over, or nil. It is called with mu held.
func (c *Context) over() error {
	if c.err == nil {
		c.err = c.Context.Err()
	}
	if c.err == nil && !time.Now().Before(c.at) {
		c.err = context.DeadlineExceeded
	}
	return c.err
}
