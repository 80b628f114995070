package ratelimit

import (
	"context"
	"sync/atomic"

	"github.com/distributed-rate-limiter/ratelimit/internal/deadline"
)

// maxRuns is the most runs, or pipelines of runs, that a limiter has in flight, and so the
// most that a Redis that hangs can hold up. Further runs wait for their turn.
const maxRuns = 512

// turns bounds how many runs are in flight, and how many wait for their turn.
type turns struct {
	taken   chan struct{}
	waiting atomic.Int64
}

func newTurns() *turns { return &turns{taken: make(chan struct{}, maxRuns)} }

// enter waits for a turn until ctx ends, unless maxWaiting others wait already.
func (t *turns) enter(ctx *deadline.Context) error {
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
	case <-ctx.Passed():
		return overloaded(context.DeadlineExceeded)
	case <-ctx.Cancelled():
		return overloaded(ctx.Err())
	}
}

func (t *turns) leave() { <-t.taken }
