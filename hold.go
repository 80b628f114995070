package ratelimit

import "time"

// hold is the moment after a landing in which no run begins, so that the callers that wake
// by it, and call again at once, are in the next run, with those that came meanwhile.
// Without it, callers that share a key split into two groups that take turns, even if one
// of them is a single caller.
//
// It ends as soon as the last caller but one runs, whether they have called again or not,
// which takes some microseconds. But if they have to wait for a core, or work for long once
// they are awake, a hold takes longer, and is of no use. So after one that took too long
// there is none for a multiple of that time: holds never take more than a small part of it.
// If nobody ends a hold, because the caller's context panicked, say, the queue's next tick
// does.
type hold struct {
	on    bool
	begun time.Time
	fair  time.Duration // how long it may take
	pause time.Time     // until when there is none
}

const (
	// holdKeys is the most keys that a run may have to be followed by a hold. A larger one
	// takes Redis so long that it should work on the next while callers wake.
	holdKeys = 24
	// A hold may take fairBase, and fairEach for each caller that wakes: twice what they
	// need on a slow core. After one that took longer there is none for pauseTimes its time.
	fairBase   = 100 * time.Microsecond
	fairEach   = 4 * time.Microsecond
	pauseTimes = 64
)

// begin begins a hold for back callers that wake, and reports whether it did.
func (h *hold) begin(back int) bool {
	now := time.Now()
	if now.Before(h.pause) {
		return false
	}
	h.on, h.begun, h.fair = true, now, fairBase+time.Duration(back)*fairEach
	return true
}

// isLong reports whether it takes longer than it may.
func (h *hold) isLong() bool { return h.on && time.Since(h.begun) > h.fair }

// end notes how long it took.
func (h *hold) end() {
	if h.isLong() {
		h.pause = h.begun.Add(pauseTimes * time.Since(h.begun))
	}
	h.on = false
}

// resume has another goroutine send the calls that came during a hold. The last but one of
// the callers that the hold is for calls it as soon as it runs again; if its next call
// comes before that goroutine runs, it goes too.
func (l *Limiter) resume(q *queue) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ready == 0 {
		q.hold.end()
		return
	}
	go l.lead(q, nil)
}

// resumed ends a hold, and returns the first flight that is due by it, or nil. It starts
// the others.
func (q *queue) resumed() *flight {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.hold.end()
	return q.next()
}
