package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrOverloaded reports that a call got no turn within its time, or that too many others were
// waiting for a turn already: nothing was sent. Observers see it, and so do callers of
// [Limiter.Reset] and [Limiter.Ping].
var ErrOverloaded = errors.New("ratelimit: too many runs in flight")

// When Redis hangs, thousands of calls may be late at one moment. They share these errors,
// because making one for each call took longer than everything else.
var (
	errNoAnswer = fmt.Errorf("ratelimit: no answer in time: %w", context.DeadlineExceeded)
	errNoTurn   = fmt.Errorf("%w: %w", ErrOverloaded, context.DeadlineExceeded)
)

// late returns the error of a call that had no answer when cause ended it.
func late(cause error) error {
	if cause == context.DeadlineExceeded {
		return errNoAnswer
	}
	return fmt.Errorf("ratelimit: no answer in time: %w", cause)
}

// overloaded returns the error of a call that had no turn when cause ended it.
func overloaded(cause error) error {
	if cause == context.DeadlineExceeded {
		return errNoTurn
	}
	return fmt.Errorf("%w: %w", ErrOverloaded, cause)
}

// errGivenUp tells classify that the caller's own context ended.
var errGivenUp = errors.New("ratelimit: decision was given up")

// ended returns why the caller's context is over, or nil. It looks at the clock too: a
// connection that has the context's deadline may report it before the context does.
func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if at, ok := ctx.Deadline(); ok && !time.Now().Before(at) {
		return context.DeadlineExceeded
	}
	return nil
}

// givenUp returns the error of a call whose context is over, or nil.
func givenUp(ctx context.Context) error {
	if cause := ended(ctx); cause != nil {
		return fmt.Errorf("%w: %w", errGivenUp, cause)
	}
	return nil
}
