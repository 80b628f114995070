package ratelimit

import (
	"sync"
	"time"
)

// queue holds the calls that wait while runs are in flight. Each key has one lane of one
// queue, and a lane is in one run at a time, so the calls of a key are decided in the order
// in which they came. (The lane of a key changes once, if keys turn out to be partitioned.)
//
// A run takes lanes until it has enough calls. It may begin beside others if it has as many
// calls as they have, or enough. So a lone call, or a second one, goes at once; a few callers
// share few runs; and many callers keep as many runs in flight as there may be. A call that
// has waited for a whole tick, because the runs in flight are slow, goes beside them anyway.
// After a run of few keys, no run begins until its callers have woken: see hold.
//
// One timer keeps the time of all calls, and runs only while there are any. A call is late
// after a certain number of its ticks.
type queue struct {
	mu     sync.Mutex
	ready  int // how many calls wait in lanes that are in no run
	turn   int // the lane that comes next
	flying int // how many flights there are
	sent   int // how many calls are in them
	sizes  *sizes

	interval time.Duration // between two ticks
	patience int64         // in ticks: a call is late after one more
	timer    *time.Timer   // nil if it is off
	since    time.Time     // the beginning of the first tick
	tick     int64

	hold hold

	lanes   [lanes]lane
	flights [maxFlights]flight
	start   func(*flight) // runs it on another goroutine
	index   uint8         // in batcher.queues

	_ [64]byte // the next queue may be another core's
}

// flight is a run, from the moment when its calls are taken until it has ended. During that
// time no other run takes from its lanes.
type flight struct {
	lanes [lanes]bool
	size  int     // how many calls it has, with those that have left; 0 if the flight is free
	calls []*call // as they were taken from the lanes
	batch *batch  // nil while only the goroutine that runs it may look at it
}

const (
	// maxWaiting is the most calls that may wait in a lane, or for a turn. It bounds the
	// memory that a Redis that hangs can hold up.
	maxWaiting = 1 << 14
	// ticks is the least number of ticks that the limiter's timeout is divided into.
	ticks = 16
	// maxInterval is the longest time between two ticks. A call times out up to two ticks
	// late.
	maxInterval = 20 * time.Millisecond
	// maxTaken is the most calls that a run takes from one lane.
	maxTaken = 2 * maxCost
)

// place is what becomes of a call that comes to a queue.
type place int

const (
	runsItself place = iota // its caller runs it
	isQueued                // a run will take it
	laneFull                // there is no room for it
)

// join queues c, or lets its caller run it. In the second case the place is runsItself, and
// join returns the flight of that run.
func (q *queue) join(c *call) (place, *flight) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := &q.lanes[c.lane]
	if !l.flying && q.ready == 0 && q.mayBegin(1) {
		f := q.begin()
		f.lanes[c.lane], l.flying = true, true
		f.size = 1
		q.sent++
		return runsItself, f
	}
	if l.waiting() >= maxWaiting {
		return laneFull, nil
	}
	l.calls = append(l.calls, c)
	if q.timer == nil { // a new one each time: an old one may be of a testing/synctest bubble
		q.since, q.tick = time.Now(), 0
		q.timer = time.AfterFunc(q.interval, q.onTick)
	}
	c.tick = q.tick
	if !l.flying {
		q.ready++
		q.startDue()
	}
	return isQueued, nil
}

// isDue reports whether a run of the calls that are ready should begin.
func (q *queue) isDue() bool { return q.ready > 0 && q.mayBegin(q.ready) }

// mayBegin reports whether a run of that many calls may begin.
func (q *queue) mayBegin(calls int) bool {
	return !q.hold.on && (q.flying == 0 || q.flying < maxFlights && calls >= min(q.sizes.enough(), q.sent))
}

// begin returns a flight without calls, for a run that is due. Whoever calls begin adds the
// calls.
func (q *queue) begin() *flight {
	q.flying++
	i := 0
	for q.flights[i].size > 0 { // one is free: fewer than maxFlights are in use
		i++
	}
	return &q.flights[i]
}

// startDue starts the flights that have become due.
func (q *queue) startDue() {
	for q.isDue() {
		q.start(q.fill())
	}
}

// fill begins a flight of calls that are ready. It takes more calls of a lane than may go at
// once, since some of their callers may have left; note puts back those that are too many.
func (q *queue) fill() *flight {
	f := q.begin()
	for i, turn, most := 0, q.turn, q.sizes.enough(); i < lanes && len(f.calls) < most; i++ {
		n := (turn + i) % lanes
		l := &q.lanes[n]
		if l.flying || l.waiting() == 0 {
			continue
		}
		q.ready -= l.waiting() // also those that stay, since their lane is in a run now
		l.flying, f.lanes[n] = true, true
		q.turn = n + 1
		some := min(l.waiting(), maxTaken)
		f.calls = append(f.calls, l.calls[l.head:l.head+some]...)
		l.head += some
	}
	f.size = len(f.calls)
	q.sent += f.size
	return f
}

// land ends a flight. It returns the first flight that has become due by that, or nil, and
// starts the others. Or, if there may be a hold, land begins one for the callers that will
// now wake, whose number is back. Then no flight is due.
func (q *queue) land(f *flight, back int) (next *flight, held bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, mine := range f.lanes {
		if mine {
			l := &q.lanes[i]
			l.land()
			q.ready += l.waiting()
		}
	}
	q.flying--
	q.sent -= f.size
	clear(f.calls)
	*f = flight{calls: f.calls[:0]}
	if back > 0 && back+q.ready > 1 && q.flying == 0 && q.hold.begin(back) {
		return nil, true
	}
	return q.next(), false
}

// next returns the first flight that is due, or nil, and starts the others.
func (q *queue) next() (f *flight) {
	if q.isDue() {
		f = q.fill()
	}
	q.startDue()
	return f
}

// note sets the batch of a flight, and puts rest, the calls of the flight that are not in the
// batch, back into their lanes. These were the last calls to be taken from there.
func (q *queue) note(f *flight, b *batch, rest []*call) {
	q.mu.Lock()
	defer q.mu.Unlock()
	f.batch = b
	f.size -= len(rest)
	q.sent -= len(rest)
	for _, c := range rest {
		q.lanes[c.lane].head--
	}
}

// setTimeout sets how long a call may take.
func (q *queue) setTimeout(timeout time.Duration) {
	q.interval = tickInterval(timeout)
	q.patience = int64((timeout-1)/q.interval) + 1
}

// tickInterval returns the time between two ticks of a queue.
func tickInterval(timeout time.Duration) time.Duration {
	return min(max(1, timeout/ticks), maxInterval)
}

// onTick wakes the callers that have waited for all ticks of a timeout, and for one more,
// since their first was not a whole one.
func (q *queue) onTick() {
	q.mu.Lock()
	defer q.mu.Unlock()
	passed := time.Since(q.since)
	q.tick = int64(passed / q.interval)
	tell := func(calls []*call) {
		for _, c := range calls {
			if q.tick-c.tick <= q.patience {
				return // c is not late, and neither are the calls that came later
			}
			if !c.late.Swap(true) {
				c.notify()
			}
		}
	}
	for i := range q.flights {
		if b := q.flights[i].batch; b != nil {
			for _, g := range b.groups {
				tell(g.calls)
			}
		}
	}
	if q.hold.isLong() {
		q.hold.end()
		q.startDue()
	}
	waits := false // whether a call has waited for a whole tick in a lane that is in no run
	for i := range q.lanes {
		l := &q.lanes[i]
		waits = waits || !l.flying && l.waiting() > 0 && q.tick-l.calls[l.head].tick > 1
		tell(l.calls[l.head:])
	}
	if waits && !q.hold.on && q.flying < maxFlights {
		q.start(q.fill())
	}
	if q.flying == 0 && !q.hold.on {
		q.timer = nil
		return
	}
	q.timer.Reset(q.interval - passed%q.interval)
}
