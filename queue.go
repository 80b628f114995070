package ratelimit

import (
	"sync"
	"time"
)

// queue has the calls that wait while runs are in flight. Each key has one lane of
// one queue, and a lane is in one run at a time, so the calls of a key are decided in
// the order in which they came. (Which lane it is changes once, where keys turn out
// to be partitioned.)
//
// A run takes lanes until it has enough calls, and goes beside others if it has as many
// calls as they have, or enough. So a lone call, or a second one, goes at once; a few
// callers share few runs; and many keep as many runs in flight as there may be. A call
// that has waited for a whole tick, because the runs in flight are slow, goes beside them
// anyway. After a run of few keys, none begins until its callers have woken: see hold.
//
// One timer keeps the time of all calls, and runs only while there are any: a call is late
// after a number of its ticks.
type queue struct {
	mu     sync.Mutex
	ready  int // how many calls wait in lanes that are in no run
	turn   int // the lane that comes next
	flying int // how many flights there are
	sent   int // how many calls are in them
	sizes  *sizes

	interval time.Duration // of the ticks
	patience int64         // after how many of them, and one more, a call is late
	timer    *time.Timer   // nil while nobody waits
	since    time.Time     // the beginning of the first tick
	tick     int64

	hold hold

	lanes   [lanes]lane
	flights [maxFlights]flight
	start   func(*flight) // has it run, and does not wait for it
	index   uint8         // among the batcher's

	_ [64]byte // the next one is another core's
}

// flight is a run, from when its calls are taken until it has ended. For its time,
// its lanes are its own.
type flight struct {
	lanes [lanes]bool
	size  int     // how many calls it has, with those that are found to have left; 0 if it is none
	calls []*call // as they were taken from the lanes
	batch *batch  // nil while nobody else is to look at it
}

const (
	// maxWaiting is the most calls that may wait in a lane, or for a turn. It bounds the
	// memory that a Redis which hangs can hold up.
	maxWaiting = 1 << 14
	// ticks is into how many ticks the limiter's timeout is divided, at least.
	ticks = 16
	// maxInterval is the longest time between two ticks, by which a call may be
	// late.
	maxInterval = 20 * time.Millisecond
	// maxTaken is the most calls of a lane that a run takes.
	maxTaken = 2 * maxCost
)

// place is what becomes of a call that came to a queue.
type place int

const (
	runsItself place = iota // its caller runs
	isQueued                // it will be taken
	laneFull                // there is no room for it
)

// join has c wait, or run. The flight is that of its caller's own run, if the place is
// runsItself.
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
	if q.timer == nil { // a new one each time: it may be of a testing/synctest bubble
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

// isDue reports whether a run of the calls that are ready is to begin.
func (q *queue) isDue() bool { return q.ready > 0 && q.mayBegin(q.ready) }

// mayBegin reports whether a run of that many calls may begin.
func (q *queue) mayBegin(calls int) bool {
	return !q.hold.on && (q.flying == 0 || q.flying < maxFlights && calls >= min(q.sizes.enough(), q.sent))
}

// begin returns a flight without calls, for a run that is due. They are given to it by
// whoever begins it.
func (q *queue) begin() *flight {
	q.flying++
	i := 0
	for q.flights[i].size > 0 { // there are fewer than maxFlights
		i++
	}
	return &q.flights[i]
}

// startDue starts what has become due.
func (q *queue) startDue() {
	for q.isDue() {
		q.start(q.fill())
	}
}

// fill begins a flight of calls that are ready. It takes more of a lane than may go at
// once, since some may have left; the others come back.
func (q *queue) fill() *flight {
	f := q.begin()
	for i, turn, most := 0, q.turn, q.sizes.enough(); i < lanes && len(f.calls) < most; i++ {
		n := (turn + i) % lanes
		l := &q.lanes[n]
		if l.flying || l.waiting() == 0 {
			continue
		}
		q.ready -= l.waiting() // also those that stay: their lane is in a run now
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

// land ends a flight, and returns the first one that has become due by that, or nil; it
// starts the others. Or it begins a hold for the back callers that will now wake, if there
// may be one, and no flight is due.
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

// note notes what is in a flight. Calls of it that are not, the rest, go back to where
// they came from: they are the last that were taken of their lanes.
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

// onTick wakes those who have waited for all ticks of a timeout, and one more:
// the first was not a whole one.
func (q *queue) onTick() {
	q.mu.Lock()
	defer q.mu.Unlock()
	passed := time.Since(q.since)
	q.tick = int64(passed / q.interval)
	tell := func(calls []*call) {
		for _, c := range calls {
			if q.tick-c.tick <= q.patience {
				return // as those who came later
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
	waits := false // for longer than a tick, in a lane that is ready
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
