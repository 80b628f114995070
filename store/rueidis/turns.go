package rueidis

import (
	"context"
	"time"

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

// turn is the work of a goroutine that may outlast the Run or RunAll that it is
// for, so that it has copies of all that it works on. Its run, key and
// args are their room where there is one run, of one key: one allocation for all.
type turn struct {
	ctx    context.Context
	start  time.Time
	client session
	script *store.Script
	do     func(*turn) // what does runs
	runs   []store.Run
	done   chan struct{} // closed when runs are done

	run  [1]store.Run
	key  [1]string
	args [8]int64
}

// do does runs, of which it makes copies for mine, on a goroutine that it does not
// wait for longer than mine.ctx lets it. The place in t that it takes is given back
// when they are done.
func (t turns) do(mine *turn, runs []store.Run) error {
	if err := t.take(mine.ctx); err != nil {
		return err
	}
	mine.runs = append(mine.run[:0], runs...)
	for i, r := range runs {
		keys, args := []string(nil), []int64(nil)
		if i == 0 {
			keys, args = mine.key[:0], mine.args[:0]
		}
		mine.runs[i] = store.Run{Keys: append(keys, r.Keys...), Args: append(args, r.Args...)}
	}
	mine.done = make(chan struct{})
	go t.work(mine)
	select {
	case <-mine.done:
	case <-mine.ctx.Done():
		return driver.Wrap(mine.ctx, name, mine.ctx.Err())
	}
	for i, r := range mine.runs {
		runs[i].Reply, runs[i].Err = r.Reply, r.Err
	}
	return nil
}

func (t turns) work(mine *turn) {
	defer func() {
		<-t
		close(mine.done)
	}()
	mine.do(mine)
}
