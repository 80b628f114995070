package ratelimit

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// ErrBreakerOpen tells observers that nothing was sent, because several runs in a row had got
// no answer from Redis. An error that wraps it also wraps the reason.
var ErrBreakerOpen = errors.New("ratelimit: breaker is open")

const (
	// tripAfter is the number of runs in a row without an answer that opens a breaker.
	tripAfter = 3
	// breakerCount is how many breakers there are where keys are partitioned.
	breakerCount = 64
)

// breaker keeps calls away from a Redis that does not answer. A few runs in a row without an
// answer open it. While it is open, no decision is sent, only one probe at a time, so that
// nobody waits for Redis, and a Redis that comes back is not trampled. The first answer to
// any run closes it. An error that Redis replies with is an answer: it costs no more than a
// decision, and may be about one key alone.
//
// When nobody has called for some time, it becomes half-open. The state of Redis is then
// unknown, so calls go through, and the first that gets no answer opens the breaker again.
type breaker struct {
	// outage is nil while calls go through.
	outage atomic.Pointer[outage]
	// failures is how many runs in a row got no answer. If it is 0, the breaker is closed.
	failures atomic.Int32

	mu      sync.Mutex // guards the fields below, and changes to those above
	state   BreakerState
	changed time.Time
	opened  time.Time
	// changes are the changes that observers have not been told of yet. telling says that a
	// goroutine is telling them.
	changes []BreakerEvent
	telling bool
}

// outage describes why a breaker is open. There is one for each time that it opens.
type outage struct {
	err error
	// caller is the identity of a call that was refused since the last probe. The next probe
	// asks for it: if Redis can decide some keys but not others, some probe finds that out.
	caller atomic.Pointer[sum]
}

// breakers are the breakers of a limiter: one, or one for each range of partitions, so that a
// server that is down hardly affects callers of the others.
type breakers struct {
	all atomic.Pointer[[]breaker]
}

func newBreakers(partitioned bool) *breakers {
	bs := &breakers{}
	bs.renew(partitioned)
	return bs
}

// renew replaces all breakers by closed ones that know nothing.
func (bs *breakers) renew(partitioned bool) {
	if bs == nil {
		return
	}
	count := 1
	if partitioned {
		count = breakerCount
	}
	all := make([]breaker, count)
	for i := range all {
		all[i].state = BreakerClosed
	}
	bs.all.Store(&all)
}

// of returns the breaker for a partition; nil if the limiter has none.
func (bs *breakers) of(partition uint64) *breaker {
	if bs == nil {
		return nil
	}
	all := *bs.all.Load()
	if len(all) == 1 {
		return &all[0]
	}
	return &all[partition/(1<<64/breakerCount)]
}

// refuse returns why a call for the identity with hash s must not be sent, or nil. It keeps
// the identity of a refused call for the next probe.
func (b *breaker) refuse(s *sum) error {
	if b == nil {
		return nil
	}
	o := b.outage.Load()
	if o == nil {
		return nil
	}
	if o.caller.Load() == nil {
		caller := *s
		o.caller.CompareAndSwap(nil, &caller)
	}
	return o.err
}

// spoke notes an answer.
func (b *breaker) spoke() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures.Store(0)
	b.become(BreakerEvent{State: BreakerClosed}, nil)
}

// silent notes that a run which began at start ended with err, without an answer.
// It returns the outage if that opened the breaker.
func (b *breaker) silent(start time.Time, err error) *outage {
	b.mu.Lock()
	defer b.mu.Unlock()
	// A run that began before the last change says nothing of how Redis is now.
	if b.state == BreakerOpen || start.Before(b.changed) || b.failures.Add(1) < tripAfter {
		return nil
	}
	b.opened = time.Now()
	o := &outage{err: fmt.Errorf("%w since %s: %w", ErrBreakerOpen, b.opened.Format(time.RFC3339), err)}
	b.become(BreakerEvent{State: BreakerOpen, Err: err, Class: classify(err)}, o)
	return o
}

// forget makes the breaker half-open, if o is still its outage. It reports whether it was.
func (b *breaker) forget(o *outage) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.outage.Load() != o {
		return false
	}
	// The failures still count, so the first run without an answer opens the breaker again.
	b.become(BreakerEvent{State: BreakerHalfOpen}, nil)
	return true
}

// become sets the outage, and if the state changes, records the change.
func (b *breaker) become(e BreakerEvent, o *outage) {
	b.outage.Store(o)
	if e.State == b.state {
		return
	}
	e.From, b.state, b.changed = b.state, e.State, time.Now()
	if e.State != BreakerOpen {
		e.Elapsed = b.changed.Sub(b.opened)
	}
	b.changes = append(b.changes, e)
}

// announce calls tell for each change that observers have not been told of, one after the
// other, in the order in which they happened. If another goroutine is doing so already, it
// leaves all of them to that one.
func (b *breaker) announce(tell func(BreakerEvent)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.telling {
		return
	}
	b.telling = true
	defer func() { b.telling = false }() // also if tell ends the goroutine
	for len(b.changes) > 0 {
		e := b.changes[0]
		b.changes = b.changes[1:]
		func() {
			b.mu.Unlock() // tell may call the limiter
			defer b.mu.Lock()
			tell(e)
		}()
	}
}

// heard reports whether a run that ended with err got an answer, and whether Redis was asked
// at all.
func heard(err error) (yes, asked bool) {
	switch _, replied := errors.AsType[*store.ServerError](err); {
	case replied, err == nil, errors.Is(err, store.ErrReply):
		return true, true
	case errors.Is(err, ErrOverloaded), errors.Is(err, errPanicked), errors.Is(err, errExited):
		return false, false
	}
	return false, true
}
