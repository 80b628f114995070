package ratelimit

import "time"

// hold is the moment after a flight has landed in which no run begins. So callers that wake
// then, and call again at once, are in the next run, together with those that came meanwhile.
// Without it, callers that share a key split into two groups that take turns, even if one of
// the groups is a single caller.
//
// A hold ends as soon as the last but one of the callers that were woken runs (see
// beforeLast), whether the callers have called again or not. That takes some microseconds.
// But if callers have to wait for a core, or work for long once they are awake, a hold takes
// longer, and is of no use. So after a hold that took too long there is none for a multiple
// of its time, and holds take only a small part of all time. If nobody ends a hold, because a
// caller's context panicked, say, one of the queue's next ticks does.
type hold struct {
	on    bool
	begun time.Time
	fair  time.Duration // how long it may take
	pause time.Time     // until then there is no hold
}

const (
	// holdKeys is the most keys that a run may have to be followed by a hold. A larger run
	// takes Redis so long that Redis should work on the next one while callers wake.
	holdKeys = 24
	// A hold may take fairBase, and fairEach for each caller that wakes: twice what they need
	// on a slow core. After a hold that took longer there is none for pauseTimes as long.
	fairBase   = 100 * time.Microsecond
	fairEach   = 4 * time.Microsecond
	pauseTimes = 64
)

// begin begins a hold for the given number of callers that wake, and reports whether it did.
func (h *hold) begin(back int) bool {
	now := time.Now()
	if now.Before(h.pause) {
		return false
	}
	h.on, h.begun, h.fair = true, now, fairBase+time.Duration(back)*fairEach
	return true
}

// isLong reports whether the hold is taking longer than it may.
func (h *hold) isLong() bool { return h.on && time.Since(h.begun) > h.fair }

// end ends the hold. If it took too long, there is no other for pauseTimes as long.
func (h *hold) end() {
	if h.isLong() {
		h.pause = h.begun.Add(pauseTimes * time.Since(h.begun))
	}
	h.on = false
}

// resume ends a hold: another goroutine sends the calls that came during it. The last but one
// of the callers that the hold waits for must call it as soon as it runs again. If the next
// call of that caller comes before the new goroutine runs, it goes too.
func (l *Limiter) resume(q *queue) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ready == 0 {
		q.hold.end()
		return
	}
	go l.lead(q, nil)
}

// resumed ends a hold, and returns the first flight that has become due, or nil. It starts
// the others.
func (q *queue) resumed() *flight {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.hold.end()
	return q.next()
}
