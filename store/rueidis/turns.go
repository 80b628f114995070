package rueidis

import (
	"context"
	"slices"

	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// maxTurns is how many runs a Store has in the client's hands at most. It is half
// of the ring of a connection: see [Store.Prompt].
const maxTurns = 512

// turns lets the runs of a Store end with their contexts, whatever the client
// does.
type turns chan struct{}

// take waits for a turn.
func (t turns) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	default:
	}
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return driver.Wrap(ctx, name, ctx.Err())
	}
}

// do does what f does with its copy of runs, on a goroutine that it does not wait
// for longer than ctx lets it. The turn that it takes is given back when f is over.
func (t turns) do(ctx context.Context, runs []store.Run, f func(runs []store.Run)) error {
	if err := t.take(ctx); err != nil {
		return err
	}
	mine := make([]store.Run, len(runs))
	for i, r := range runs {
		mine[i] = store.Run{Keys: slices.Clone(r.Keys), Args: slices.Clone(r.Args)}
	}
	done := make(chan struct{})
	go func() {
		defer func() {
			<-t
			close(done)
		}()
		f(mine)
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
