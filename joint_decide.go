package ratelimit

import (
	"context"
	"fmt"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// decide asks Redis.
func (j *Joint) decide(ctx context.Context, parts []Part) ([]Result, error) {
	results := make([]Result, len(parts))
	if err := ctx.Err(); err != nil {
		return results, err
	}
	head := j.limiters[0]
	var caller sum // of the first
	keys := make([]string, len(parts))
	args := j.program.AppendParams(make([]int64, 0, (algorithm.MaxParams+2)*len(parts)))
	for i, p := range parts {
		l := j.limiters[i]
		s := l.keys.hash(p.Identity)
		if i == 0 {
			caller = s
		}
		keys[i] = l.keys.key(&s)
		args = j.program.AppendRequest(args, p.N, i)
	}
	b := head.breakers.of(head.partitions.find(keys[0]))
	if err := b.refuse(&caller); err != nil {
		return results, err
	}
	limited := head.deadlines.Within(ctx, j.timeout)
	defer limited.End()
	reply, err := head.run(limited, j.program.Script(), keys, args)
	head.report(ctx, b, &caller, limited.Began(), err)
	if refusal(err) == "CROSSSLOT" { // the store did not tell of a Cluster
		err = fmt.Errorf("%w (joined limiters need namespaces with one hash tag, such as %q and %q)", err, "{api}second", "{api}day")
	}
	for _, l := range j.limiters {
		if l.runObservers != nil {
			l.ran(ctx, 1, 1, limited.Began(), err)
		}
	}
	if err == nil {
		err = j.program.CheckReply(reply, 1)
	}
	for i, l := range j.limiters {
		if err != nil {
			break
		}
		var out algorithm.Outcome
		out, err = j.program.Outcome(reply, 0, i)
		results[i] = out.Result(l.plan.Limit, j.program.Now(reply))
	}
	return results, err
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
