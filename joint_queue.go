package ratelimit

import (
	"sync"
	"time"
)

// jointQueue holds the joint calls that wait while runs are in flight, in the order in which
// they came. It is like a queue with one lane. But a joint call has several keys, so calls of
// one key can be in several runs at once, and Redis decides which comes first.
//
// As in a queue, a call that has waited for a whole tick, because the runs in flight are
// slow, goes beside them.
type jointQueue struct {
	mu      sync.Mutex
	waiting []*jointCall
	flying  int // how many runs are in flight

	interval time.Duration // of the ticks
	timer    *time.Timer   // nil if none is on
	tick     int           // how many there have been
	onTick   func()        // calls hurry
}

// newJointQueue returns a queue of calls that take timeout at most.
func newJointQueue(timeout time.Duration, onTick func()) *jointQueue {
	return &jointQueue{interval: tickInterval(timeout), onTick: onTick}
}

// jointCall is a joint decision that goes to Redis together with others.
type jointCall struct {
	caller sum      // the hash of its identity under the first limit
	keys   []string // one for each limit
	ns     []int64  // how many units it asks of each limit

	tick  int  // the queue's tick when it came
	taken bool // it is or was in a run
	left  bool // its caller left before it was taken

	// The answer, once done is closed.
	results []Result
	err     error
	done    chan struct{}

	answered bool // done is closed; only the run uses this
}

// answer gives the caller the answer, unless the caller has it already.
func (c *jointCall) answer() {
	if !c.answered {
		c.answered = true
		close(c.done)
	}
}

// join queues c, or lets its caller run it. If a run is due with c in the queue, join begins
// that run and returns its calls as due, for a new goroutine to run.
func (q *jointQueue) join(c *jointCall, most int) (at place, due []*jointCall) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 && q.mayBegin(1, most) {
		q.flying++
		return runsItself, nil
	}
	if len(q.waiting) >= maxWaiting {
		return laneFull, nil
	}
	q.waiting = append(q.waiting, c)
	if q.timer == nil { // a new one each time: an old one may be of a testing/synctest bubble
		q.timer = time.AfterFunc(q.interval, q.onTick)
	}
	c.tick = q.tick
	return isQueued, q.due(most)
}

// mayBegin reports whether a run may begin while the given number of calls wait. most is the
// most calls that a run takes. Two runs keep a Redis busy. Further ones must be full: they
// are for a Redis that answers slowly.
func (q *jointQueue) mayBegin(calls, most int) bool {
	return q.flying < 2 || q.flying < maxFlights && calls >= most
}

// due begins a run if it may, and returns its calls, or nil.
func (q *jointQueue) due(most int) []*jointCall {
	if !q.mayBegin(len(q.waiting), most) {
		return nil
	}
	return q.take(most)
}

// take begins a run of calls that wait, and returns them, or nil if none waits or all callers
// have left.
func (q *jointQueue) take(most int) (calls []*jointCall) {
	i := 0
	for ; i < len(q.waiting) && len(calls) < most; i++ {
		if c := q.waiting[i]; !c.left {
			c.taken = true
			calls = append(calls, c)
		}
	}
	q.waiting = append(q.waiting[:0], q.waiting[i:]...)
	clear(q.waiting[len(q.waiting):cap(q.waiting)])
	if len(calls) > 0 {
		q.flying++
	}
	return calls
}

// land ends a run, and returns the calls of the next one, or nil if none is due.
func (q *jointQueue) land(most int) (due []*jointCall) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.flying--
	return q.due(most)
}

// hurry is called at each tick. If the first call in the queue has waited for a whole tick,
// and fewer than maxFlights runs are in flight, hurry begins another and returns its calls.
// Otherwise it returns nil.
func (q *jointQueue) hurry(most int) (due []*jointCall) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.tick++
	if len(q.waiting) > 0 && q.flying < maxFlights && q.tick-q.waiting[0].tick > 1 {
		due = q.take(most)
	}
	if len(q.waiting) == 0 {
		q.timer = nil
	} else {
		q.timer.Reset(q.interval)
	}
	return due
}

// leave is called when the caller of c stops waiting. It reports whether c was in no run, and
// so will be in none.
func (q *jointQueue) leave(c *jointCall) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	c.left = !c.taken
	return c.left
}
