package deadline

import (
	"context"
	"time"
)

// watched is a Context whose Done is closed by End alone, unless the context is over before
// Done is asked for.
type watched Context

// Watched returns the context for work whose waiter finds out by itself that the context is
// over, and then calls End. It has no timer: its Done is one channel, which is made when it
// is first asked for.
func (c *Context) Watched() context.Context { return (*watched)(c) }

// Deadline implements [context.Context].
func (w *watched) Deadline() (time.Time, bool) { return w.at, true }

// Done implements [context.Context].
func (w *watched) Done() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.watched == nil {
		w.watched = make(chan struct{})
		if (*Context)(w).over() != nil {
			close(w.watched)
		}
	}
	return w.watched
}

// Err implements [context.Context].
func (w *watched) Err() error { return (*Context)(w).Err() }
