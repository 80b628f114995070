package ratelimit

import (
	"sync"
	"time"
)

// jointQueue has the joint calls that wait while runs are in flight, in the order in which
// they came. It is a queue with one lane: a call may have many keys, so calls of one key can
// be in several runs at once, and Redis decides which comes first.
//
// As in a queue, a call that has waited for a whole tick, because the runs in flight are slow,
// goes beside them.
type jointQueue struct {
	mu      sync.Mutex
	waiting []*jointCall
	flying  int // how many runs are in flight

	interval time.Duration // of the ticks
	timer    *time.Timer   // nil while nobody waits
	tick     int           // how many there have been
	onTick   func()        // calls hurry
}

// newJointQueue returns a queue of calls that take no longer than timeout.
func newJointQueue(timeout time.Duration, onTick func()) *jointQueue {
	return &jointQueue{interval: tickInterval(timeout), onTick: onTick}
}

// jointCall is a joint decision that goes to Redis together with others.
type jointCall struct {
	caller sum      // whom it is for under the first limit
	keys   []string // of the states under each limit
	ns     []int64  // and how many units it asks of each

	tick  int  // of the queue's, when it came
	taken bool // into a run
	left  bool // by its caller, before that

	// The answer, once done is closed.
	results []Result
	err     error
	done    chan struct{}

	answered bool // so done is closed; for the run only
}

// answer gives the caller the answer, unless it has been given.
func (c *jointCall) answer() {
	if !c.answered {
		c.answered = true
		close(c.done)
	}
}

// join has c wait, or run. If it is to be run by a goroutine that begins now, due has it,
// and those who wait before it.
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
	if q.timer == nil { // a new one each time: it may be of a testing/synctest bubble
		q.timer = time.AfterFunc(q.interval, q.onTick)
	}
	c.tick = q.tick
	return isQueued, q.due(most)
}

// mayBegin reports whether a run of that many calls may begin, of which most may be in one.
// Two keep a Redis busy, and more are for slow ones, as in a queue.
func (q *jointQueue) mayBegin(calls, most int) bool {
	return q.flying < 2 || q.flying < maxFlights && calls >= most
}

// due returns the calls of a run that is to begin now, or nil.
func (q *jointQueue) due(most int) []*jointCall {
	if len(q.waiting) == 0 || !q.mayBegin(len(q.waiting), most) {
		return nil
	}
	return q.take(most)
}

// take begins a run of those who wait, and returns its calls, or nil if all have left.
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

// land ends a run, and returns the calls of the next one, or nil.
func (q *jointQueue) land(most int) (due []*jointCall) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.flying--
	return q.due(most)
}

// hurry is for each tick. It returns the calls of a run that is to begin because they have
// waited for long, or nil.
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

// leave is for a caller who does not wait any longer. It reports whether the call was in no
// run, and will be in none.
func (q *jointQueue) leave(c *jointCall) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	c.left = !c.taken
	return c.left
}
