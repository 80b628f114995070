package ratelimit

import (
	"context"
	"sync"
	"time"
)

// deadline is a context that ends at an instant, or earlier with the one that it
// is made of. It is [context.WithDeadline] for the many runs whose client looks
// at the deadline only: the rest is made when it is asked for.
type deadline struct {
	context.Context
	from, at time.Time

	mu     sync.Mutex
	full   context.Context // nil until asked for
	cancel context.CancelFunc
}

// within returns a context that ends after timeout. Its end is to be called when
// it is no longer needed.
func within(ctx context.Context, timeout time.Duration) *deadline {
	now := time.Now()
	d := &deadline{Context: ctx, from: now, at: now.Add(timeout)}
	if at, ok := ctx.Deadline(); ok && at.Before(d.at) {
		d.at = at
	}
	return d
}

// end frees what the context has.
func (d *deadline) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full != nil {
		d.cancel()
	}
}

// Deadline implements [context.Context].
func (d *deadline) Deadline() (time.Time, bool) { return d.at, true }

// Done implements [context.Context].
func (d *deadline) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full == nil {
		d.full, d.cancel = context.WithDeadline(d.Context, d.at)
	}
	return d.full.Done()
}

// Err implements [context.Context].
func (d *deadline) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.full != nil:
		return d.full.Err()
	case d.Context.Err() != nil:
		return d.Context.Err()
	case !time.Now().Before(d.at):
		return context.DeadlineExceeded
	}
	return nil
}
