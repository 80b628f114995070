package ratelimit

import (
	"context"
	"errors"
	"sync"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// batcher has calls that come while runs are in flight go to Redis together.
//
// Who comes to an idle queue runs at once, on the caller's own goroutine. Who
// comes to a busy one waits, and goes with all others that do in the next run.
type batcher struct {
	queues [queueCount]queue
	calls  sync.Pool // of *call: the limiter's own, since a channel may be of a testing/synctest bubble
}

func newBatcher(l *Limiter) *batcher {
	b := &batcher{}
	for i := range b.queues {
		b.queues[i].setTimeout(l.timeout)
	}
	return b
}

// errExited is what a run failed with whose store called runtime.Goexit.
var errExited = errors.New("ratelimit: the store ended the goroutine")

const (
	// queueCount is how many queues there are, and so how many runs may be in
	// flight. Where keys are partitioned a queue is for a range of partitions, so
	// that a server which is slow holds up few others' callers.
	queueCount = 16
	// lanes is how many of them there are where keys are not partitioned, by their
	// hashes. Two keep a Redis busy; more are for those who wait for a slow answer.
	lanes = 4
)

// queue returns the queue of a call.
func (b *batcher) queue(l *Limiter, c *call) *queue {
	if b.place(l, c) {
		return &b.queues[c.partition/(1<<64/queueCount)]
	}
	return &b.queues[c.sum[0]%lanes]
}

// place finds the partition of a call, if keys are partitioned.
func (b *batcher) place(l *Limiter, c *call) bool {
	if !c.placed && l.partitions.exist() {
		c.partition = l.partitions.find(l.keys.key(&c.sum))
		c.placed = true
	}
	return c.placed
}

// queued decides through a queue.
func (l *Limiter) queued(ctx context.Context, s sum, n int64) (algorithm.Outcome, int64, error) {
	c := l.newCall(s, n)
	q := l.batcher.queue(l, c)
	if err := l.breakers.of(c.partition).refuse(&c.sum); err != nil {
		l.free(c)
		return algorithm.Outcome{}, 0, err
	}
	switch q.join(c) {
	case behind:
		return l.await(ctx, c)
	case none:
		l.free(c)
		return algorithm.Outcome{}, 0, ErrOverloaded
	}
	l.free(c)
	defer l.next(q)
	return l.alone(ctx, s, n)
}

// next has those run who came to the queue while a run was in flight.
func (l *Limiter) next(q *queue) {
	if c := q.take(); c != nil {
		go l.lead(q, c)
	}
}

// lead runs as many of the calls from c on as may go at once. It has the next ones
// go before it wakes those whose calls these are.
func (l *Limiter) lead(q *queue, c *call) {
	b := batches.Get().(*batch)
	rest := b.fill(l, c)
	q.fly(b, rest)
	b.err = errExited
	defer func() { // also if the store ends the goroutine
		l.next(q)
		b.answer(l)
		b.release()
	}()
	b.run(l)
	if b.crossesSlots() {
		q.fly(nil, rest)
		b.split(l)
		q.fly(b, rest)
		b.run(l)
	}
	if b.isAstride() {
		q.fly(nil, rest)
		b.part(l)
		q.fly(b, rest)
		b.run(l)
	}
}
