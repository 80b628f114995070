package ratelimit

import (
	"context"
	"errors"
	"math"
	"sync"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// batcher gathers the calls that come while runs are in flight, so that they go to Redis
// together.
//
// A call that comes to an idle queue runs at once, on its caller's own goroutine, and so does
// a second one beside it. Further calls wait, and go together in the next run.
type batcher struct {
	queues [queueCount]queue
	// calls has *call. Each limiter has a pool of its own, since a channel may be of a
	// testing/synctest bubble.
	calls sync.Pool
}

func newBatcher(l *Limiter) *batcher {
	b := &batcher{}
	for i := range b.queues {
		q := &b.queues[i]
		q.index = uint8(i)
		q.sizes = l.sizes
		q.setTimeout(l.timeout)
		q.start = func(f *flight) { go l.lead(q, f) }
	}
	return b
}

// errExited is the error of a run in which the store called runtime.Goexit.
var errExited = errors.New("ratelimit: the store ended the goroutine")

const (
	// queueCount is how many queues there are where keys are partitioned, each for a range of
	// partitions. So a slow server holds up few callers of the others, or none if there are
	// two, three or six servers with equal shares. Each queue has one batch in flight, so the
	// more queues there are, the smaller the batches.
	queueCount = 6
	// lanes is how many lanes there are where keys are not partitioned. All of them belong to
	// the first queue, and the hash of a key selects one.
	lanes = 8
	// maxFlights is the most runs of a queue in flight. Two keep a Redis busy; further ones
	// are for callers that would have to wait for a slow answer.
	maxFlights = 4
	// enough is how many waiting calls are worth a run, whatever else is in flight. A run
	// that has enough calls takes no further lane. A batch has room for that many calls even
	// if each has a key of its own, so at least some calls of each lane that is taken go.
	// (Where states are large, a batch has room for fewer calls, and then that many are
	// enough: see sizes.)
	enough = 64
)

// queue returns the queue of a call, and sets its lane.
func (b *batcher) queue(l *Limiter, c *call) *queue {
	if b.findPartition(l, c) {
		c.lane = 0
		return &b.queues[c.partition/(math.MaxUint64/queueCount+1)]
	}
	c.lane = c.sum[0] % lanes
	return &b.queues[0]
}

// findPartition sets the partition of a call if keys are partitioned, and reports whether
// they are.
func (b *batcher) findPartition(l *Limiter, c *call) bool {
	if !c.placed && l.partitions.exist() {
		c.partition = l.partitions.find(l.keys.key(&c.sum))
		c.placed = true
	}
	return c.placed
}

// leadAlone decides a call that runs at once, on its caller's own goroutine.
func (l *Limiter) leadAlone(ctx context.Context, q *queue, f *flight, c *call) (algorithm.Outcome, int64, error) {
	s, n := c.sum, c.n
	l.free(c)
	defer func() {
		switch next, held := q.land(f, 1); {
		case held:
			l.resume(q)
		case next != nil:
			q.start(next)
		}
	}()
	return l.alone(ctx, s, n)
}

// lead runs the calls of a flight, and then those of the next one, until none is due. If f
// is nil, it begins with the flight that is due after a hold.
func (l *Limiter) lead(q *queue, f *flight) {
	if f == nil {
		f = q.resumed()
	}
	for f != nil {
		f = l.fly(q, f)
	}
}

// fly runs the calls of a flight, as many of them as may go at once, and returns the next
// flight that is due. The next flight should be on its way while the callers of this one
// wake, which takes half as long as a run, so another goroutine wakes them. Or the queue is
// held until they have woken, and no flight is due.
func (l *Limiter) fly(q *queue, f *flight) (next *flight) {
	b := batches.Get().(*batch)
	rest := b.fill(l, f.calls)
	q.note(f, b, rest)
	exits := true
	defer func() {
		back := 0
		if len(b.groups) <= holdKeys && !exits {
			back = len(b.came)
		}
		var held bool
		switch next, held = q.land(f, back); {
		case held:
			b.beforeLast().holds = q.index + 1
			b.finish(l)
		case next == nil:
			b.finish(l)
		case exits: // the store is ending this goroutine
			q.start(next)
			b.finish(l)
		default:
			go b.finish(l)
		}
	}()
	b.run(l)
	if b.crossesSlots() {
		q.note(f, nil, nil)
		b.split(l)
		q.note(f, b, nil)
		b.run(l)
	}
	for b.mustPart() {
		q.note(f, nil, nil)
		b.part(l)
		q.note(f, b, nil)
		b.run(l)
	}
	exits = false
	return nil // the deferred function sets next
}
