package deadline

import (
	"math"
	"sync"
	"time"
)

// grain is how late it may be told, at most, that a deadline has passed.
const grain = 2 * time.Millisecond

// Ends makes contexts, and tells them that their deadlines have passed: those that
// end in the same moment have one channel for that, and one timer. Its zero value is
// ready for use, also concurrently.
type Ends struct {
	mu    sync.Mutex
	begin time.Time
	// ends has the last ones asked for, placed by their moments. Their number is a prime
	// so that contexts with a few different timeouts do not take each other's place all
	// the time.
	ends [13]*end
}

// end is the end of all contexts of one moment.
type end struct {
	moment int64 // how many grains after the beginning
	passed chan struct{}
	timer  *time.Timer
	users  int
	kept   bool // in ends
}

// at returns the end for a deadline. It is to be given back by giveBack.
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

// next returns the end that takes the place of old, which may be nil: it is old again if
// nobody needs that.
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

// stop stops the timer of an end that nobody needs, and closes passed instead of it, since
// somebody may still wait for that. It reports false if the end is needed, or has come.
func (e *end) stop() bool {
	if e.users > 0 || e.kept || !e.timer.Stop() {
		return false
	}
	close(e.passed)
	return true
}
