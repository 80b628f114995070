package rueidis

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/internal/deadline"
	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// maxTurns is how many runs a Store has in the client's hands at most. It is half
// of the ring of a connection: see [Store.Prompt].
const maxTurns = 512

// turns lets the runs of a Store end with their contexts, whatever the client
// does.
type turns struct {
	taken chan struct{}
	// idle has turns that nobody has hold of. It is the Store's own, since a
	// channel may be of a testing/synctest bubble.
	idle sync.Pool
	alone
}

// newTurns returns the turns of a client, of which it is known or not that nobody else
// uses it.
func newTurns(known bool) *turns {
	return &turns{taken: make(chan struct{}, maxTurns), alone: alone{known: known, made: time.Now()}}
}

// do does the work with copies of runs, on a goroutine that it does not wait for
// longer than the work's context lets it; or, where that is not needed, on its own.
func (t *turns) do(w work, runs []store.Run) error {
	mine, ok := t.idle.Get().(*turn)
	if !ok {
		mine = newTurn(t)
	}
	cancelled := mine.begin(w)
	if !t.take(mine, cancelled) {
		err := late(w.ctx)
		t.put(mine)
		return err
	}
	mine.copy(runs)
	// A limiter's context may be told late that it was cancelled, so its deadline is all
	// that the client is to see to.
	if d, ok := w.ctx.(*deadline.Context); ok && len(t.taken) == 1 && t.may(w.start) {
		mine.ctx = d.Uncancelled()
		mine.run()
		<-mine.done
	} else {
		go mine.run()
		select {
		case <-mine.done:
		case <-mine.passed:
			t.ended(w.start, context.DeadlineExceeded)
			return late(w.ctx)
		case <-cancelled:
			return late(w.ctx)
		}
	}
	var failure error
	for i, r := range mine.runs {
		runs[i].Reply, runs[i].Err = r.Reply, r.Err
		failure = cmp.Or(failure, r.Err)
	}
	t.ended(w.start, failure)
	t.put(mine)
	return nil
}

// take waits for a place, and is false if there is none in time.
func (t *turns) take(mine *turn, cancelled <-chan struct{}) bool {
	select {
	case t.taken <- struct{}{}:
		return true
	default:
	}
	select {
	case t.taken <- struct{}{}:
		return true
	case <-mine.passed:
	case <-cancelled:
	}
	return false
}

// put lets a turn be used again. One whose run goes on, though it was given up on,
// must not come here: its goroutine will write into it, and say that it is done.
func (t *turns) put(mine *turn) {
	mine.clear()
	t.idle.Put(mine)
}

// late ends what is done under ctx, which is over, and returns the error for it.
func late(ctx context.Context) error {
	err := driver.Wrap(ctx, name, ctx.Err())
	if d, ok := ctx.(*deadline.Context); ok {
		d.End()
	}
	return err
}
