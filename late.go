package ratelimit

import (
	"context"
	"errors"
	"fmt"
)

// ErrOverloaded reports that a call got no turn within its time, or that too many others
// were waiting for theirs: nothing was sent. Observers see it, and so do callers of
// [Limiter.Reset] and [Limiter.Ping].
var ErrOverloaded = errors.New("ratelimit: too many runs in flight")

// When Redis hangs, thousands of calls may be late at one moment. They share these errors:
// to make one for each took longer than everything else.
var (
	errNoAnswer = fmt.Errorf("ratelimit: no answer in time: %w", context.DeadlineExceeded)
	errNoTurn   = fmt.Errorf("%w: %w", ErrOverloaded, context.DeadlineExceeded)
)

// late returns the error of a decision that had no answer when its time ended so.
func late(ended error) error {
	if ended == context.DeadlineExceeded {
		return errNoAnswer
	}
	return fmt.Errorf("ratelimit: no answer in time: %w", ended)
}

// overloaded returns the error of a decision that had no turn when its time ended so.
func overloaded(ended error) error {
	if ended == context.DeadlineExceeded {
		return errNoTurn
	}
	return fmt.Errorf("%w: %w", ErrOverloaded, ended)
}
