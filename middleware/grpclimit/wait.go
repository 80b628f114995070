package grpclimit

import (
	"context"
	"time"
)

// shortest is the least time between two questions of a call that waits.
const shortest = time.Millisecond

// admit returns nil where the call is let through, at once or after a wait.
func (c client) admit(ctx context.Context, call Call) error {
	var end time.Time // of all waiting
	for {
		d, err := c.decide(ctx, call)
		if d == nil {
			return err
		}
		if c.wait == 0 || !d.passes() {
			return c.answer(ctx, d)
		}
		now := time.Now()
		if end.IsZero() {
			end = now.Add(c.wait)
			if deadline, ok := ctx.Deadline(); ok && deadline.Before(end) {
				end = deadline
			}
		}
		wait := max(d.RetryAfter, shortest)
		if wait > end.Sub(now) {
			return c.answer(ctx, d)
		}
		if err := sleep(ctx, wait); err != nil {
			return failed(err)
		}
	}
}

// sleep returns after wait; or, with its error, when ctx ends.
func sleep(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
