package deadline

import (
	"math"
	"sync"
	"time"
)

// grain is how late the channel of an end may be closed, at most.
const grain = 2 * time.Millisecond

// Ends makes contexts, and tells them that their deadlines have passed. Contexts that end in
// the same moment, a span of one grain, share one channel for that, and one timer. The zero
// value is ready for use. It is safe for concurrent use.
type Ends struct {
	mu    sync.Mutex
	begin time.Time
	// ends has the ends that were asked for last, each in a place that follows from its
	// moment. The number of places is a prime, so that contexts with a few different timeouts
	// do not take each other's place all the time.
	ends [13]*end
}

// end is shared by all contexts that end in the same moment.
type end struct {
	moment int64 // in grains since Ends.begin
	passed chan struct{}
	timer  *time.Timer
	users  int
	kept   bool // whether it is in Ends.ends
}

// at returns the end for a deadline. The caller must give it back by giveBack.
func (e *Ends) at(deadline time.Time) *end {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.begin.IsZero() {
		e.begin = time.Now()
	}
	moment := int64((min(deadline.Sub(e.begin), math.MaxInt64-grain) + grain - 1) / grain)
	place := &e.ends[uint64(moment)%uint64(len(e.ends))]
	if *place == nil || (*place).moment != moment {
		*place = e.next(*place, moment)
	}
	(*place).users++
	return *place
}

// next returns the end that replaces old, which may be nil. If nobody needs old, and its time
// has not come, that is old itself, set to the new moment.
func (e *Ends) next(old *end, moment int64) *end {
	wait := time.Duration(moment)*grain - time.Since(e.begin)
	if old != nil {
		old.kept = false
		if old.stop() {
			old.moment, old.passed, old.kept = moment, make(chan struct{}), true
			old.timer.Reset(wait)
			return old
		}
	}
	one := &end{moment: moment, passed: make(chan struct{}), kept: true}
	one.timer = time.AfterFunc(wait, func() { close(one.passed) })
	return one
}

func (e *Ends) giveBack(one *end) {
	e.mu.Lock()
	defer e.mu.Unlock()
	one.users--
	one.stop()
}

// stop stops the timer of an end that nobody needs, and closes passed itself, since somebody
// may still wait for that. It reports false if the end is still needed, or if its time has
// come.
func (e *end) stop() bool {
	if e.users > 0 || e.kept || !e.timer.Stop() {
		return false
	}
	close(e.passed)
	return true
}
