package ratelimit

import "time"

// hold is the moment after a landing in which no run begins, so that those who wake by it
// and call again at once are in the next run, with those who came meanwhile. Without it,
// callers that share a key go in two groups by turns, be one of them a single caller.
//
// It ends as soon as the last but one of them runs, which takes some microseconds, whether
// they have called again or not. But where they wait for a core, or work for long once
// they are awake, it would take longer, and be for nothing. So one that did is the last
// for a multiple of the time that it took, and all of them are a small part of it. If
// nobody ends it, as the caller's context panicked, say, the queue's next tick does.
type hold struct {
	on    bool
	begun time.Time
	fair  time.Duration // how long it may take
	pause time.Time     // until when there is none
}

const (
	// holdKeys is the most keys of a run that a hold comes after. One of more takes Redis
	// so long that it had better work on the next while callers wake.
	holdKeys = 24
	// A hold may take fairBase and fairEach for each of those who wake: what they need on
	// a slow core, twice. One that took longer makes a pause of pauseTimes as long.
	fairBase   = 100 * time.Microsecond
	fairEach   = 4 * time.Microsecond
	pauseTimes = 64
)

// begin begins a hold, for so many who wake, if there is to be one.
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

// resume has what came during a hold go, on another goroutine. Who calls it, as soon as it
// runs again, is the last but one of those whom the hold is for; if its next call comes
// before that goroutine runs, it goes too.
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
