package ratelimit

import (
	"context"
	"sync/atomic"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// call is a decision that goes to Redis together with others.
//
// Two goroutines share it, its caller's and that of the run, and either may be done with it
// first: state says which. The last one frees it.
//
// The fields that the caller writes come first, then those that the run writes. Each part has
// a cache line of its own, because a line that another core has written takes long to fetch.
// Both goroutines write state.
type call struct {
	sum       sum
	n         int64
	partition uint64 // of the key; 0 until placed is true
	tick      int64  // the queue's tick when the call came
	placed    bool
	lane      uint8 // of its queue

	state atomic.Int32
	late  atomic.Bool // its time is up
	holds uint8       // 1 + the index of the queue that is held until the call is freed; 0 for none
	wake  chan wakeup // tells the caller to look at state and late

	// The answer, once state is answered.
	now     int64
	outcome algorithm.Outcome
	err     error
}

// wakeup is the element that wakes a caller. With elements of this size, a channel takes two
// whole cache lines; with elements of no size it takes less, and shares a line with other
// data.
type wakeup [16]byte

// The states of a call.
const (
	callWaiting  = iota // in the queue
	callSent            // in a run
	callAnswered        // by the run; the caller frees it
	callLeft            // by its caller; the run frees it
)

func (l *Limiter) newCall(s sum, n int64) *call {
	c, ok := l.batcher.calls.Get().(*call)
	if !ok {
		c = &call{wake: make(chan wakeup, 1)}
	}
	c.sum, c.n = s, n
	return c
}

// free makes the call available for reuse. wake may still have an element, which makes its
// next caller look once too often.
func (l *Limiter) free(c *call) {
	c.err, c.partition, c.placed = nil, 0, false
	if c.holds > 0 {
		l.resume(&l.batcher.queues[c.holds-1])
		c.holds = 0
	}
	if c.late.Load() {
		c.late.Store(false)
	}
	if c.state.Load() != callWaiting {
		c.state.Store(callWaiting)
	}
	l.batcher.calls.Put(c)
}

// await waits for the answer, until the call's time is up or ctx ends.
func (l *Limiter) await(ctx context.Context, c *call) (algorithm.Outcome, int64, error) {
	done := ctx.Done()
	for {
		var ended error
		if done == nil {
			<-c.wake
		} else {
			select {
			case <-c.wake:
			case <-done:
				ended = ctx.Err()
			}
		}
		// This comes first, and writes at once: to read state first would fetch its cache
		// line twice.
		if c.state.CompareAndSwap(callAnswered, callWaiting) {
			outcome, now, err := c.outcome, c.now, c.err
			l.free(c)
			return outcome, now, err
		}
		if ended == nil && c.late.Load() {
			ended = context.DeadlineExceeded
		}
		switch {
		case ended == nil:
		case c.state.CompareAndSwap(callWaiting, callLeft):
			return algorithm.Outcome{}, 0, overloaded(ended)
		case c.state.CompareAndSwap(callSent, callLeft):
			return algorithm.Outcome{}, 0, late(ended)
		}
	}
}

// notify wakes the caller.
func (c *call) notify() {
	select {
	case c.wake <- wakeup{}:
	default: // the caller is already about to look
	}
}

// take takes the call into a run. If its caller has left, take frees the call and reports
// false.
func (l *Limiter) take(c *call) bool {
	if c.state.CompareAndSwap(callWaiting, callSent) {
		return true
	}
	l.free(c)
	return false
}

// answer gives the caller of a call that was sent its answer. If the caller has left, answer
// frees the call.
func (l *Limiter) answer(c *call) {
	if c.state.CompareAndSwap(callSent, callAnswered) {
		c.notify()
		return
	}
	l.free(c)
}
