package ratelimit

import (
	"sync"
	"time"
)

// queue has the calls that wait while a run of their keys is in flight. Each key
// has one queue, which has one run in flight at a time, so the calls of a key are
// decided in the order in which they came. (Which one it is changes once, where
// keys turn out to be partitioned.)
//
// The time of calls is kept by one timer for all of them, and only while there
// are any: a call is late after so many of its ticks.
type queue struct {
	mu         sync.Mutex
	busy       bool // somebody runs, and will look here again
	head, tail *call
	length     int
	rest       *call  // came before head, and did not go with those before them
	sent       *batch // in flight

	interval time.Duration // of the ticks
	patience int64         // after how many of them, and one more, a call is late
	timer    *time.Timer   // nil while nobody waits
	since    time.Time     // the beginning of the first tick
	tick     int64

	_ [64]byte // the next one is another core's
}

const (
	// maxWaiting is the most calls that may wait in a queue. It bounds the memory
	// that a Redis which hangs can hold up.
	maxWaiting = 1 << 14
	// ticks is in how many the limiter's timeout is divided at least.
	ticks = 16
	// maxInterval is the longest time between two ticks, by which a call may be
	// late.
	maxInterval = 20 * time.Millisecond
)

// place is where a call finds itself that came to a queue.
type place int

const (
	first  place = iota // nobody runs: its caller does
	behind              // it will be taken
	none                // the queue is full
)

// join has c wait, if somebody runs.
func (q *queue) join(c *call) place {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case !q.busy:
		q.busy = true
		return first
	case q.length == maxWaiting:
		return none
	case q.head == nil:
		q.head = c
	default:
		q.tail.next = c
	}
	q.tail = c
	q.length++
	if q.timer == nil { // a new one each time: it may be of a testing/synctest bubble
		q.since, q.tick = time.Now(), 0
		q.timer = time.AfterFunc(q.interval, q.onTick)
	}
	c.tick = q.tick
	return behind
}

// take returns the calls that are to be run next, in order. If there are none,
// whoever comes next runs.
func (q *queue) take() *call {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sent = nil
	c := q.rest
	if q.rest = nil; c == nil {
		c = q.head
		q.head, q.tail, q.length = nil, nil, 0
	}
	q.busy = c != nil
	return c
}

// fly notes what is in flight, and which of the calls that were taken are not.
func (q *queue) fly(b *batch, rest *call) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sent, q.rest = b, rest
}

// setTimeout sets how long a call may take.
func (q *queue) setTimeout(timeout time.Duration) {
	q.interval = min(max(1, timeout/ticks), maxInterval)
	q.patience = int64((timeout + q.interval - 1) / q.interval)
}

// onTick wakes those who have waited for all ticks of a timeout, and one more:
// the first was not a whole one.
func (q *queue) onTick() {
	q.mu.Lock()
	defer q.mu.Unlock()
	passed := time.Since(q.since)
	q.tick = int64(passed / q.interval)
	late := func(c *call) bool {
		if q.tick-c.tick <= q.patience {
			return false
		}
		c.late.Store(true)
		c.notify()
		return true
	}
	if q.sent != nil {
		for _, g := range q.sent.groups {
			for c := g.first; c != nil && late(c); c = c.next {
			}
		}
	}
	for c := q.rest; c != nil && late(c); c = c.next {
	}
	for c := q.head; c != nil && late(c); c = c.next {
	}
	if !q.busy {
		q.timer = nil
		return
	}
	q.timer.Reset(q.interval - passed%q.interval)
}
