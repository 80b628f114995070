package deadline

import (
	"context"
	"math"
	"sync"
	"time"
)

// grain is by how much it may be told late that a deadline has passed.
const grain = 2 * time.Millisecond

// Ends makes contexts, and tells them that their deadlines have passed: those that
// end in the same moment have one channel for that, and one timer. Its zero value is
// ready for use, also concurrently.
type Ends struct {
	mu    sync.Mutex
	begin time.Time
	// ends has the last ones asked for, by when they are. There are some, and a prime
	// number of them, so that contexts of a few timeouts do not take each other's place
	// all the time.
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

// at returns the end for a deadline, to be given back.
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

// next returns the end that takes another one's place: that one again, if nobody needs
// it.
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

// stop stops the timer of an end that nobody needs, and closes passed in its place: it
// may have been handed on to somebody who waits for it still. It is false if the end is
// needed, or has come.
func (e *end) stop() bool {
	if e.users > 0 || e.kept || !e.timer.Stop() {
		return false
	}
	close(e.passed)
	return true
}

// shared is a Context whose Done is Passed.
type shared Context

// Shared returns the context for work that looks at Done too, though hardly ever waits
// for it: of many such contexts Done costs next to nothing. It is what Passed is. A
// context that may be cancelled is returned as it is.
func (c *Context) Shared() context.Context {
	if c.Cancelled() != nil {
		return c
	}
	return c.Uncancelled()
}

// Uncancelled returns the context for work that goes on until the deadline: Done is what
// Passed is, also of a context that may be cancelled.
func (c *Context) Uncancelled() context.Context { return (*shared)(c) }

// Deadline implements [context.Context].
func (s *shared) Deadline() (time.Time, bool) { return s.at, true }

// Done implements [context.Context].
func (s *shared) Done() <-chan struct{} { return (*Context)(s).Passed() }

// Err implements [context.Context].
func (s *shared) Err() error { return (*Context)(s).Err() }
