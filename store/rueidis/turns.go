package rueidis

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

const (
	// maxTurns is how many runs a Store has in the client's hands at most. It is
	// half of the ring of a connection: see [Store.Prompt].
	maxTurns = 512
	// fresh is for how long a reply says that there is a connection.
	fresh = time.Second
)

// turns lets the runs of a Store end with their contexts.
type turns struct {
	taken chan struct{}
	// replied is when the last run that ended got a reply, in ns since 1970; 0 if
	// it got none.
	replied atomic.Int64
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

// well tells that the client has a connection, so that a run which begins now may
// be done by its caller's own goroutine.
func (t *turns) well(now time.Time) bool {
	return now.UnixNano()-t.replied.Load() < int64(fresh)
}

// end gives back the turn of a run that began at start.
func (t *turns) end(start time.Time, replied bool) {
	if replied {
		t.replied.Store(start.UnixNano())
	} else {
		t.replied.Store(0)
	}
	<-t.taken
}

// replied tells whether err, of a run, is that of a reply, or none.
func replied(err error) bool {
	var server *store.ServerError
	return err == nil || errors.Is(err, store.ErrReply) || errors.As(err, &server)
}

// allReplied tells whether all of runs got a reply.
func allReplied(runs []store.Run) bool {
	return !slices.ContainsFunc(runs, func(r store.Run) bool { return !replied(r.Err) })
}

// runs does what do does with its copy of runs, and waits for it until ctx ends. It
// has a turn, which is given back when do is over.
func (t *turns) runs(ctx context.Context, start time.Time, runs []store.Run, do func(runs []store.Run)) error {
	mine := make([]store.Run, len(runs))
	for i, r := range runs {
		mine[i] = store.Run{Keys: slices.Clone(r.Keys), Args: slices.Clone(r.Args)}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		do(mine)
		t.end(start, allReplied(mine))
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
