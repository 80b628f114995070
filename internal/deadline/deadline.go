// Package deadline has the context of the limiter's runs. It costs little where its deadline
// is all that is asked for.
package deadline

import (
	"context"
	"sync"
	"time"
)

// Context ends at an instant, or earlier if its parent does. It stands in for
// [context.WithDeadline] in the many runs whose client looks only at the deadline: everything
// else is made when it is first asked for.
type Context struct {
	context.Context // the parent
	from, at        time.Time

	mu      sync.Mutex
	err     error           // why the context is over, once that has been seen
	full    context.Context // its Done is ours; nil until asked for
	cancel  context.CancelFunc
	watched chan struct{} // the Done of Watched; nil until asked for
	ends    *Ends
	end     *end // its channel is that of Passed; nil until asked for
}

// Within returns a context that ends after timeout, or earlier if ctx does. The caller must
// call its End once it is no longer needed.
func (e *Ends) Within(ctx context.Context, timeout time.Duration) *Context {
	now := time.Now()
	if at, ok := ctx.Deadline(); ok {
		timeout = min(timeout, at.Sub(now))
	}
	return &Context{Context: ctx, from: now, at: now.Add(timeout), ends: e}
}

// Ending returns two channels, one of which is closed when ctx ends; either may be nil. If
// ctx is a [*Context], they are Passed and Cancelled, which cost little.
func Ending(ctx context.Context) (passed, cancelled <-chan struct{}) {
	if c, ok := ctx.(*Context); ok {
		return c.Passed(), c.Cancelled()
	}
	return nil, ctx.Done()
}

// Began returns when the context was made.
func (c *Context) Began() time.Time { return c.from }

// Cancelled returns a channel that is closed when the parent ends, or nil if the parent never
// ends. Waiting for both Cancelled and Passed does what waiting for Done does, at less cost.
func (c *Context) Cancelled() <-chan struct{} { return c.Context.Done() }

// Passed returns a channel that is closed when the deadline has passed, 2 ms late at most.
// Once the context is over for another reason, such as End, it may be closed before that.
// Passed costs next to nothing.
func (c *Context) Passed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil { // End may have been called, and have given back the end
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
