package ratelimit

import (
	"context"
	"time"
)

// decide asks Redis.
func (j *Joint) decide(ctx context.Context, parts []Part) ([]Result, error) {
	if len(parts) == 1 { // on a Cluster, its keys may be in many slots
		l := j.limiters[0]
		out, now, err := l.decide(ctx, parts[0].Identity, parts[0].N)
		return []Result{out.Result(l.plan.Limit, now)}, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c := j.newCall(parts)
	if err := j.breaker(c).refuse(&c.caller); err != nil {
		return nil, err
	}
	if j.queue == nil {
		j.run(ctx, []*jointCall{c})
		return c.results, c.err
	}
	c.done = make(chan struct{})
	switch at, due := j.queue.join(c, j.most()); at {
	case runsItself:
		defer func() { j.start(j.queue.land(j.most())) }()
		j.run(ctx, []*jointCall{c})
		return c.results, c.err
	case laneFull:
		return nil, ErrOverloaded
	default:
		j.start(due)
	}
	return j.await(ctx, c)
}

func (j *Joint) newCall(parts []Part) *jointCall {
	c := &jointCall{keys: make([]string, len(parts)), ns: make([]int64, len(parts))}
	for i, p := range parts {
		l := j.limiters[i]
		s := l.keys.hash(p.Identity)
		if i == 0 {
			c.caller = s
		}
		c.keys[i], c.ns[i] = l.keys.key(&s), p.N
	}
	return c
}

// breaker returns the first limiter's breaker for c.
func (j *Joint) breaker(c *jointCall) *breaker {
	head := j.limiters[0]
	return head.breakers.of(head.partitions.find(c.keys[0]))
}

// await waits for the answer to a call, until its time is up or ctx ends.
func (j *Joint) await(ctx context.Context, c *jointCall) ([]Result, error) {
	limited := j.limiters[0].deadlines.Within(ctx, j.timeout)
	defer limited.End()
	select {
	case <-c.done:
		return c.results, c.err
	case <-limited.Passed():
	case <-limited.Cancelled():
	}
	if j.queue.leave(c) {
		return nil, overloaded(limited.Err())
	}
	select {
	case <-c.done: // the select above may have passed it over
		return c.results, c.err
	default:
		return nil, late(limited.Err())
	}
}

// start runs calls on a new goroutine, and then the calls that come meanwhile.
func (j *Joint) start(calls []*jointCall) {
	if len(calls) > 0 {
		go j.lead(calls)
	}
}

func (j *Joint) lead(calls []*jointCall) {
	for len(calls) > 0 {
		calls = j.fly(calls)
	}
}

// fly runs calls, and returns those of the next run, which should be on its way while the
// callers of this one wake.
func (j *Joint) fly(calls []*jointCall) (next []*jointCall) {
	for _, c := range calls {
		c.err = errExited // until there is another outcome
	}
	exits := true
	defer func() {
		next = j.queue.land(j.most())
		if exits { // the store is ending this goroutine
			j.start(next)
		}
		if len(next) > 0 && !exits {
			go answerAll(calls)
		} else {
			answerAll(calls)
		}
	}()
	// The breaker may have opened since the calls came. They have one breaker, because their
	// keys are in one slot.
	if err := j.breaker(calls[0]).refuse(&calls[0].caller); err == nil {
		j.run(context.Background(), calls)
	} else {
		for _, c := range calls {
			c.err = err
		}
	}
	exits = false
	return nil // the deferred function sets next
}

func answerAll(calls []*jointCall) {
	for _, c := range calls {
		c.answer()
	}
}

// observe tells each limiter's observers of its part. If only other limiters denied the
// request, the part counts as a Peek.
func (j *Joint) observe(ctx context.Context, parts []Part, answer JointResult, failure error, start time.Time) {
	for i, l := range j.limiters {
		if len(l.observers) == 0 {
			continue
		}
		n := parts[i].N
		if !answer.Allowed && answer.Results[i].Allowed {
			n = 0
		}
		l.observe(ctx, l.event(parts[i].Identity, n, answer.Results[i], failure, start))
	}
}

// sumUp returns the answer that follows from the results of the limiters.
func sumUp(results []Result, parts []Part) JointResult {
	peek := true
	for _, p := range parts {
		peek = peek && p.N == 0
	}
	answer := JointResult{Denied: -1, Results: results}
	for i, r := range results {
		if r.Allowed || parts[i].N == 0 && !peek {
			continue
		}
		if answer.Denied < 0 || r.RetryAfter > answer.RetryAfter {
			answer.Denied, answer.RetryAfter = i, r.RetryAfter
		}
	}
	answer.Allowed = answer.Denied < 0
	return answer
}
