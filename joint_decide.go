package ratelimit

import (
	"context"
	"time"
)

// decide asks Redis.
func (j *Joint) decide(ctx context.Context, parts []Part) ([]Result, error) {
	if len(parts) == 1 { // whose keys, on a Cluster, are in many slots
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

// breaker returns that of the first limiter for a call.
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
	case <-c.done: // select does not prefer it
		return c.results, c.err
	default:
		return nil, late(limited.Err())
	}
}

// start has calls run, and those that wait meanwhile.
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

// fly runs calls, and returns those of the next run, which is to be on its way while the
// callers of this one wake.
func (j *Joint) fly(calls []*jointCall) (next []*jointCall) {
	for _, c := range calls {
		c.err = errExited // unless it comes to something else
	}
	exits := true
	defer func() {
		next = j.queue.land(j.most())
		if exits { // the store ends the goroutine, this one
			j.start(next)
		}
		if len(next) > 0 && !exits {
			go answerAll(calls)
		} else {
			answerAll(calls)
		}
	}()
	// They came before the breaker opened, perhaps. It is one for all: their keys are together.
	if err := j.breaker(calls[0]).refuse(&calls[0].caller); err == nil {
		j.run(context.Background(), calls)
	} else {
		for _, c := range calls {
			c.err = err
		}
	}
	exits = false
	return nil // which is next, once it has landed
}

func answerAll(calls []*jointCall) {
	for _, c := range calls {
		c.answer()
	}
}

// observe tells each limiter's observers of its part. If another limiter denied the
// request, that was a look.
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

// sumUp returns what follows from what each limiter says.
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
