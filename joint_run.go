package ratelimit

import (
	"context"
	"fmt"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/internal/deadline"
)

// most returns how many calls may be in one run, so that a run keeps Redis busy for no longer
// than a batch does.
func (j *Joint) most() int {
	cost := 0
	for _, l := range j.limiters {
		cost += jointCost * l.sizes.keyCost()
	}
	return max(1, maxCost/cost)
}

// jointCost is how many times as much a key costs Redis in a joint run.
const jointCost = 2

// run decides calls in one run, and sets their answers. If the run is refused because the
// slot of its keys is moving from one node of a Cluster to another, or because the store did
// not know of the Cluster, each call gets a run of its own. A call is then answered as soon
// as its own run is over, because a later run may take all of the time that is left.
func (j *Joint) run(ctx context.Context, calls []*jointCall) {
	limited := j.limiters[0].deadlines.Within(ctx, j.timeout)
	defer limited.End()
	err := j.runOnce(ctx, limited, calls)
	if code := refusal(err); len(calls) > 1 && (code == "TRYAGAIN" || code == "CROSSSLOT") {
		for i := range calls {
			_ = j.runOnce(ctx, limited, calls[i:i+1])
			calls[i].answer()
		}
	}
}

// runOnce decides calls in one run. It returns the error of the whole run, which is then also
// the error of each call.
func (j *Joint) runOnce(ctx context.Context, limited *deadline.Context, calls []*jointCall) error {
	head := j.limiters[0]
	keys, args, ofLimit := j.encode(calls)
	reply, err := head.run(limited, j.program.Script(), keys, args)
	head.report(ctx, j.breaker(calls[0]), &calls[0].caller, limited.Began(), err)
	if refusal(err) == "CROSSSLOT" { // the store did not say that it is a Cluster
		err = fmt.Errorf("%w (joined limiters need namespaces with one hash tag, such as %q and %q)", err, "{api}second", "{api}day")
	}
	for i, l := range j.limiters {
		if l.runObservers != nil {
			l.ran(ctx, len(calls), ofLimit[i], limited.Began(), err)
		}
	}
	if err == nil {
		err = j.program.CheckReply(reply, len(calls))
	}
	for i, c := range calls {
		if c.err = err; err == nil {
			c.err = j.decode(reply, i, c)
		}
	}
	j.noteSizes(calls)
	return err
}

// noteSizes updates the size estimates of the limiters from the calls that were decided.
func (j *Joint) noteSizes(calls []*jointCall) {
	for i, l := range j.limiters {
		if l.sizes == nil {
			continue
		}
		taken, total := map[string]int64{}, 0.0 // units that each key has taken, after its last decision
		for _, c := range calls {
			if c.err == nil {
				taken[c.keys[i]] = l.plan.Limit - c.results[i].Remaining
			}
		}
		for _, n := range taken {
			total += float64(n)
		}
		if len(taken) > 0 {
			l.sizes.learn(int64(total / float64(len(taken))))
		}
	}
}

// encode returns the keys of calls, each once, the args of their run, and how many of the
// keys belong to each limiter.
func (j *Joint) encode(calls []*jointCall) (keys []string, args []int64, ofLimit []int) {
	places := make(map[string]int, len(calls)*len(j.limiters))
	ofLimit = make([]int, len(j.limiters))
	args = j.program.AppendParams(make([]int64, 0, (algorithm.MaxParams+2*len(calls))*len(j.limiters)))
	for _, c := range calls {
		for i, key := range c.keys {
			place, known := places[key]
			if !known {
				place = len(keys)
				places[key] = place
				keys = append(keys, key)
				ofLimit[i]++
			}
			args = j.program.AppendRequest(args, c.ns[i], place)
		}
	}
	return keys, args, ofLimit
}

// decode sets the results of c, which is the decision of that index in the run.
func (j *Joint) decode(reply []int64, decision int, c *jointCall) error {
	results := make([]Result, len(j.limiters))
	for i, l := range j.limiters {
		out, err := j.program.Outcome(reply, decision, i)
		if err != nil {
			return err
		}
		results[i] = out.Result(l.plan.Limit, j.program.Now(reply))
	}
	c.results = results
	return nil
}
