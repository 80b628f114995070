package ratelimit

import (
	"context"
	"sync"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// decide asks Redis. A caller that waits for the answer may wake on another core, which must
// then fetch the caller's stack, one cache line after another. So there are few and small
// frames between AllowN and the place where it waits.
func (l *Limiter) decide(ctx context.Context, identity string, n int64) (algorithm.Outcome, int64, error) {
	if err := ctx.Err(); err != nil {
		return algorithm.Outcome{}, 0, err
	}
	if l.batcher == nil {
		return l.alone(ctx, l.keys.hash(identity), n)
	}
	c := l.newCall(l.keys.hash(identity), n)
	q := l.batcher.queue(l, c)
	if err := l.breakers.of(c.partition).refuse(&c.sum); err != nil {
		l.free(c)
		return algorithm.Outcome{}, 0, err
	}
	switch at, f := q.join(c); at {
	case runsItself:
		return l.leadAlone(ctx, q, f, c)
	case laneFull:
		l.free(c)
		return algorithm.Outcome{}, 0, ErrOverloaded
	}
	return l.await(ctx, c)
}

// alone decides a call in a run of its own.
func (l *Limiter) alone(ctx context.Context, s sum, n int64) (out algorithm.Outcome, now int64, err error) {
	key := l.keys.key(&s)
	b := l.breakers.of(l.partitions.find(key))
	if err := b.refuse(&s); err != nil {
		return out, 0, err
	}
	r := rooms.Get().(*room)
	r.keys[0] = key
	r.args = l.program.AppendParams(r.args[:0])
	if n == 1 { // the usual case, in which one number less is sent
		r.args = l.program.AppendOnes(r.args, 0)
	} else {
		r.args = l.program.AppendRequest(r.args, n, 0)
	}
	limited := l.deadlines.Within(ctx, l.timeout)
	defer limited.End()
	reply, err := l.run(limited, l.program.Script(), r.keys[:], r.args)
	if l.prompt { // otherwise the run may still be using it
		rooms.Put(r)
	}
	l.report(ctx, b, &s, limited.Began(), err)
	if l.runObservers != nil {
		l.ran(ctx, 1, 1, limited.Began(), err)
	}
	if err == nil {
		err = l.program.CheckReply(reply, 1)
	}
	if err != nil {
		return out, 0, err
	}
	out, err = l.program.Outcome(reply, 0, 0)
	return out, l.program.Now(reply), err
}

// room holds the keys and args of a run of one decision.
type room struct {
	keys [1]string
	args []int64
}

var rooms = sync.Pool{New: func() any { return &room{args: make([]int64, 0, algorithm.MaxParams+2)} }}
