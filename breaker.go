package ratelimit

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// ErrBreakerOpen tells observers that nothing was sent, because Redis had not answered
// several times in a row. An error that wraps it also wraps the reason.
var ErrBreakerOpen = errors.New("ratelimit: breaker is open")

const (
	// tripAfter is after how many runs in a row without an answer a breaker opens.
	tripAfter = 3
	// breakerCount is how many breakers there are where keys are partitioned.
	breakerCount = 64
)

// breaker keeps calls from a Redis that is away. A few runs in a row without an
// answer open it. While it is open no decision is sent, but one probe at a time, so
// that nobody waits for Redis, and a Redis that comes back is not trampled. The
// first answer, to whatever, closes it. An error that Redis replies with is an
// answer: it costs no more than a decision, and may be about one key alone.
//
// When nobody has called for some time it becomes half-open: nothing is known any
// more, so calls go through, and the first without an answer opens it again.
type breaker struct {
	// outage is nil while calls go through.
	outage atomic.Pointer[outage]
	// failures is how many runs in a row got no answer. Where it is 0, the breaker
	// is closed.
	failures atomic.Int32

	mu      sync.Mutex // guards the rest, and changes of it all
	state   BreakerState
	changed time.Time
	opened  time.Time
	// changes are those that observers have not been told of; telling says that a
	// goroutine is telling them.
	changes []BreakerEvent
	telling bool
}

// outage is what there is while a breaker is open.
type outage struct {
	err error
	// caller is one who was refused since the last probe. The next one asks in
	// their name: where some keys can be decided and others cannot, that is found.
	caller atomic.Pointer[sum]
}

// breakers are those of a limiter: one, or one for each range of partitions, so
// that a server which is away leaves the others' callers alone.
type breakers struct {
	all atomic.Pointer[[]breaker]
}

func newBreakers(partitioned bool) *breakers {
	bs := &breakers{}
	bs.renew(partitioned)
	return bs
}

// renew begins anew, with nothing known.
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

// refuse returns why a call for s is not to be sent, or nil.
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

// forget makes the breaker half-open, if o is still on.
func (b *breaker) forget(o *outage) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.outage.Load() != o {
		return false
	}
	b.failures.Store(tripAfter - 1)
	b.become(BreakerEvent{State: BreakerHalfOpen}, nil)
	return true
}

// become makes a change, if it is one.
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

// heard reports whether a run that ended with err got an answer, if asked is
// true: whether Redis was asked at all.
func heard(err error) (yes, asked bool) {
	switch _, replied := errors.AsType[*store.ServerError](err); {
	case replied, err == nil, errors.Is(err, store.ErrReply):
		return true, true
	case errors.Is(err, ErrOverloaded), errors.Is(err, errPanicked), errors.Is(err, errExited):
		return false, false
	}
	return false, true
}
