package rueidis

import (
	"context"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/internal/deadline"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// work is what a turn is for.
type work struct {
	ctx    context.Context
	start  time.Time
	client session
	script *store.Script
	do     func(*turn) // does runs
}

// turn is what a goroutine works on that may outlast the Run or RunAll that it is
// for, so that it has copies of all that, in room of its own; and what these wait
// for. It serves one after another, so that a run allocates nothing of it.
type turn struct {
	work
	runs []store.Run
	keys []string
	args []int64

	run    func()          // what the goroutine does
	done   chan struct{}   // gets something once runs are done
	passed <-chan struct{} // closed at the deadline of a limiter's context
}

func newTurn(t *turns) *turn {
	mine := &turn{done: make(chan struct{}, 1)}
	mine.run = func() {
		defer func() { // also if the client ends the goroutine
			<-t.taken
			mine.done <- struct{}{} // from here on, the turn is another run's
		}()
		mine.do(mine)
	}
	return mine
}

// begin makes the turn one for w, and sees to it that the end of w's context is
// noticed, by what it returns or by passed. A limiter's context is spared its Done,
// which costs as much as all the rest of a run.
func (t *turn) begin(w work) (cancelled <-chan struct{}) {
	t.work = w
	d, ok := w.ctx.(*deadline.Context)
	if !ok {
		return w.ctx.Done()
	}
	t.ctx = d.Watched()
	t.passed = d.Passed()
	return d.Cancelled()
}

// copy makes copies of runs for the turn.
func (t *turn) copy(runs []store.Run) {
	for _, r := range runs {
		keys, args := len(t.keys), len(t.args)
		t.keys, t.args = append(t.keys, r.Keys...), append(t.args, r.Args...)
		t.runs = append(t.runs, store.Run{Keys: t.keys[keys:len(t.keys):len(t.keys)], Args: t.args[args:len(t.args):len(t.args)]})
	}
}

// clear makes the turn a new one, which keeps nothing of its last run alive.
func (t *turn) clear() {
	clear(t.runs)
	clear(t.keys)
	t.work, t.passed = work{}, nil
	t.runs, t.keys, t.args = t.runs[:0], t.keys[:0], t.args[:0]
}
