package rueidis

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// maxTurns is how many commands a Store has in the client's hands at most. It is
// half of the ring of a connection: see [Store.Prompt].
const maxTurns = 512

// turns lets the runs of a Store end with their contexts.
type turns struct {
	taken chan struct{}
	// well tells that the last run that ended got a reply. Then the client has a
	// connection, and commands go by the caller's own goroutine.
	well atomic.Bool
}

func newTurns() *turns { return &turns{taken: make(chan struct{}, maxTurns)} }

// take waits for a turn.
func (t *turns) take(ctx context.Context) error {
	select {
	case t.taken <- struct{}{}:
		return nil
	default:
	}
	select {
	case t.taken <- struct{}{}:
		return nil
	case <-ctx.Done():
		return driver.Wrap(ctx, name, ctx.Err())
	}
}

// end gives back the turn of a run that ended with err.
func (t *turns) end(err error) {
	var server *store.ServerError
	t.well.Store(err == nil || errors.Is(err, store.ErrReply) || errors.As(err, &server))
	<-t.taken
}

// runs does what do does with its copy of runs, and waits for it until ctx ends. It
// has a turn, which is given back when do is over.
func (t *turns) runs(ctx context.Context, runs []store.Run, do func(runs []store.Run)) error {
	mine := make([]store.Run, len(runs))
	for i, r := range runs {
		mine[i] = store.Run{Keys: slices.Clone(r.Keys), Args: slices.Clone(r.Args)}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		do(mine)
		t.end(firstError(mine))
	}()
	select {
	case <-done:
	case <-ctx.Done():
		return driver.Wrap(ctx, name, ctx.Err())
	}
	for i, r := range mine {
		runs[i].Reply, runs[i].Err = r.Reply, r.Err
	}
	return nil
}

func firstError(runs []store.Run) error {
	for _, r := range runs {
		if r.Err != nil {
			return r.Err
		}
	}
	return nil
}
