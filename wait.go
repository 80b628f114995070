package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// ErrNever reports that a wait would never end: n is above Result.Limit.
var ErrNever = errors.New("ratelimit: n is more than the limit can ever give")

// pauseUndecided is how long a wait pauses before it asks again if Redis did not decide,
// because nobody then knows when the units will be there.
const pauseUndecided = time.Second

// Wait takes one of identity's units as soon as there is one. It is WaitN with an n of 1.
func (l *Limiter) Wait(ctx context.Context, identity string) error {
	return l.WaitN(ctx, identity, 1)
}

// WaitN takes n of identity's units as soon as they are there. It returns nil once it has
// taken them. With an n of 0 it waits until there is a unit, and takes none. It suits calls
// to other services, and work that nobody waits for. A server should use [Limiter.AllowN]
// instead, and deny the requests that it cannot serve now.
//
// Calls that wait for an identity are served in the order in which they came, if they share
// this limiter and its failure mode. Only the first of them asks Redis, and asks again after
// the RetryAfter that Redis gave it, so a thousand waiting calls load Redis as one does.
// Nothing is reserved: of several processes, the first to ask after the units have come back
// gets them.
//
// WaitN fails without waiting if n is above Result.Limit ([ErrNever]), or if the units would
// come later than the deadline of ctx (the error wraps [context.DeadlineExceeded]; nothing
// was taken). A call that stands behind others learns that only when its turn comes. Any wait
// ends when ctx does. Other errors are those of AllowN.
//
// While Redis does not decide, a limiter that fails open does not wait. One that fails
// closed, as is right for calls to other services, asks again every second. Observers get an
// event each time that Redis is asked.
func (l *Limiter) WaitN(ctx context.Context, identity string, n int64) error {
	if err := l.check(identity, n); err != nil {
		return err
	}
	if n > l.plan.Limit {
		return fmt.Errorf("%w: n is %d, and the limit %d", ErrNever, n, l.plan.Limit)
	}
	var result Result
	var err error
	ask := func() (retryAfter time.Duration, denied bool) {
		result, err = l.AllowN(ctx, identity, n)
		switch {
		case err != nil || result.Allowed:
			return 0, false
		case result.Degraded:
			return pauseUndecided, true
		}
		return result.RetryAfter, true
	}
	lines := &l.lines[0]
	if l.mode != FailOpen { // these wait while Redis does not decide, and must not hold up the others
		lines = &l.lines[1]
	}
	retryAfter, denied := time.Duration(0), true
	if !lines.Any(identity) { // otherwise the call must wait for its turn first
		retryAfter, denied = ask()
	} else if err := givenUp(ctx); err != nil {
		return err
	}
	if denied {
		if ended := lines.Await(ctx, identity, math.MaxInt64, retryAfter, ask); ended != nil {
			return fmt.Errorf("ratelimit: wait was given up: %w", ended)
		}
	}
	switch {
	case err != nil || result.Allowed:
		return err
	case result.Degraded:
		return fmt.Errorf("ratelimit: Redis did not decide, and a second from now is too late: %w", context.DeadlineExceeded)
	}
	return fmt.Errorf("ratelimit: %d units come in %v, which is too late: %w", n, result.RetryAfter, context.DeadlineExceeded)
}
