package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
)

// ErrOverloaded reports to observers that a decision got no turn within its
// time, or that too many others waited for theirs: nothing was sent.
var ErrOverloaded = errors.New("ratelimit: too many runs in flight")

// maxRuns is the most runs, or pipelines of them, that a limiter has in flight. It
// is what a Redis that hangs can hold up; further ones wait for their turn.
const maxRuns = 256

// turns bounds the runs in flight, and those that wait to be.
type turns struct {
	taken   chan struct{}
	waiting atomic.Int64
}

func newTurns() *turns { return &turns{taken: make(chan struct{}, maxRuns)} }

// enter waits for a turn.
func (t *turns) enter(ctx context.Context) error {
	select {
	case t.taken <- struct{}{}:
		return nil
	default:
	}
	defer t.waiting.Add(-1)
	if t.waiting.Add(1) > maxWaiting {
		return ErrOverloaded
	}
	select {
	case t.taken <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrOverloaded, ctx.Err())
	}
}

func (t *turns) leave() { <-t.taken }
