package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// Joint decides by several limiters at once: either all of them take their units or
// none does. So a request that one of them denies costs nothing under the others. (If
// they were asked one after the other, those that allowed it would have charged it.)
// Make one with [Join]. It is safe for concurrent use.
//
// Each decision is made in one run of a script. As with a [Limiter], calls that come while
// two runs are in flight share the next one, unless one of the limiters was made
// [WithoutBatching]. While a Cluster moves the hash slot of the keys from one node to
// another, it may refuse calls (TRYAGAIN); then the failure modes decide.
type Joint struct {
	limiters []*Limiter
	program  *algorithm.Program
	timeout  time.Duration
	queue    *jointQueue // nil if each call has a run of its own
}

// Part is what a joint request asks of one limiter.
type Part struct {
	// Identity is any non-empty text.
	Identity string
	// N is how many units are asked for, at least 0. If it is 0, the limiter is only looked
	// at, and its answer does not count, unless each N is 0.
	N int64
}

// JointResult is the answer to a joint request.
type JointResult struct {
	// Allowed reports whether the request is let through. If nothing is asked for
	// (each N is 0), it reports whether one unit of each would be.
	Allowed bool
	// Degraded reports that the failure modes decided, not Redis.
	Degraded bool
	// RetryAfter is 0 if the request is allowed. Otherwise it is the longest RetryAfter of
	// the limiters that deny it; if Degraded, that is 0 or [algorithm.Never].
	RetryAfter time.Duration
	// Denied is the index of the limiter with that RetryAfter, or -1 if none denies.
	Denied int
	// Results has the answer of each limiter, in the order of [Join]; it is empty if there is
	// an error. If the request is denied, a limiter that would have allowed it says so, with
	// the numbers of a Peek.
	Results []Result
}

// ErrParts reports that a joint request does not have one part for each limiter.
var ErrParts = errors.New("ratelimit: not one part for each limiter")

var errNotJoined = errors.New("ratelimit: joint was not made by Join")

// maxJoined is the most limiters that may be joined.
const maxJoined = 16

// Join makes limiters decide together. There must be 1 to 16 of them, on the same
// store. No two may have the same namespace, algorithm and identity key, since they
// would share their states.
//
// If the store is a Cluster, all their keys must be in one hash slot: give them
// namespaces with the same hash tag, such as "{api}second" and "{api}day". (If one
// node is not enough, make several such pairs and choose one by the identity.)
//
// Each limiter keeps its own failure mode and observers, and observers get an event for each
// limiter. If a request is denied, the event of a limiter that would have allowed it is that
// of a [Limiter.Peek], because it took nothing. If Redis does not decide, the request is let
// through only if all modes are [FailOpen]. The timeout of a decision is the shortest of the
// limiters' timeouts. The breaker is the first limiter's.
func Join(limiters ...*Limiter) (*Joint, error) {
	if len(limiters) == 0 || len(limiters) > maxJoined {
		return nil, fmt.Errorf("ratelimit: %d limiters to join: must be 1 to %d", len(limiters), maxJoined)
	}
	j := &Joint{limiters: append([]*Limiter(nil), limiters...)}
	plans, keys := make([]*algorithm.Plan, len(limiters)), map[string]int{}
	for i, l := range limiters {
		if l == nil || l.program == nil {
			return nil, fmt.Errorf("ratelimit: limiter %d to join was not made by New", i)
		}
		if i > 0 && !same(l.store, limiters[0].store) {
			return nil, fmt.Errorf("ratelimit: limiters 0 and %d to join do not have the same store", i)
		}
		hash := l.keys.hash("anybody")
		key := l.keys.key(&hash)
		if other, ok := keys[key]; ok {
			return nil, fmt.Errorf("ratelimit: limiters %d and %d to join both have the namespace and algorithm %q, and so the same states",
				other, i, strings.TrimSuffix(l.keys.prefix, ":"))
		}
		keys[key] = i
		plans[i] = l.plan
		if i == 0 || l.timeout < j.timeout {
			j.timeout = l.timeout
		}
	}
	if err := j.checkSlots(); err != nil {
		return nil, err
	}
	program, err := algorithm.Compose(plans...)
	if err != nil {
		return nil, fmt.Errorf("ratelimit: %w", err)
	}
	j.program = program
	if j.mayBatch() {
		j.queue = newJointQueue(j.timeout, func() { j.start(j.queue.hurry(j.most())) })
	}
	return j, nil
}

// same reports whether a and b are the same store. Stores that cannot be compared by ==, such
// as maps, never are.
func same(a, b store.Store) bool {
	return reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}

// checkSlots returns an error if keys of the limiters cannot be in one run.
func (j *Joint) checkSlots() error {
	head := j.limiters[0]
	p, ok := head.store.(store.Partitioned)
	if !ok || len(j.limiters) == 1 {
		return nil
	}
	at, partitioned := p.Partition(head.keys.key(&sum{}))
	if !partitioned {
		return nil
	}
	for i, l := range j.limiters {
		if !together(p, l.keys) {
			return fmt.Errorf("ratelimit: limiter %d to join: the keys of its namespace %q are in many hash slots of the Cluster: give the namespaces one hash tag, such as %q and %q",
				i, l.namespace, "{api}second", "{api}day")
		}
		if found, _ := p.Partition(l.keys.key(&sum{})); found != at {
			return fmt.Errorf("ratelimit: limiter %d to join: the keys of its namespace %q are in another hash slot than those of %q: give the namespaces one hash tag, such as %q and %q",
				i, l.namespace, head.namespace, "{api}second", "{api}day")
		}
	}
	return nil
}

// mayBatch reports whether calls may go to Redis together.
func (j *Joint) mayBatch() bool {
	return !slices.ContainsFunc(j.limiters, func(l *Limiter) bool { return l.withoutBatching })
}

// Allow takes one of identity's units under each limit, or none under any. Its errors are
// those of [Limiter.AllowN].
func (j *Joint) Allow(ctx context.Context, identity string) (JointResult, error) {
	return j.all(ctx, Part{identity, 1})
}

// Peek reports where identity stands under each limit. It takes nothing. Its errors are those
// of [Limiter.AllowN].
func (j *Joint) Peek(ctx context.Context, identity string) (JointResult, error) {
	return j.all(ctx, Part{identity, 0})
}

func (j *Joint) all(ctx context.Context, p Part) (JointResult, error) {
	if j == nil {
		return JointResult{Denied: -1}, errNotJoined
	}
	var room [maxJoined]Part
	parts := room[:len(j.limiters)]
	for i := range parts {
		parts[i] = p
	}
	return j.AllowN(ctx, parts...)
}

// AllowN is Allow with a part for each limiter, in the order of [Join], so that each can have
// an identity and a number of units of its own. The error is non-nil only if there is not one
// part for each limiter ([ErrParts]), or in the cases of [Limiter.AllowN]; then nothing is
// allowed.
func (j *Joint) AllowN(ctx context.Context, parts ...Part) (JointResult, error) {
	if err := j.check(parts); err != nil {
		return JointResult{Denied: -1}, err
	}
	start := time.Now()
	results, failure := j.decide(ctx, parts)
	var err error
	if failure != nil {
		results = make([]Result, len(parts))
		if err = givenUp(ctx); err != nil {
			failure = err
		} else {
			for i, l := range j.limiters {
				results[i] = l.degraded(parts[i].N)
			}
		}
	}
	answer := sumUp(results, parts)
	if err == nil {
		answer.Degraded = failure != nil
	}
	j.observe(ctx, parts, answer, failure, start)
	if err != nil {
		return JointResult{Denied: -1}, err
	}
	return answer, nil
}

func (j *Joint) check(parts []Part) error {
	if j == nil || j.program == nil {
		return errNotJoined
	}
	if len(parts) != len(j.limiters) {
		return fmt.Errorf("%w: %d parts, %d limiters", ErrParts, len(parts), len(j.limiters))
	}
	for i, p := range parts {
		if err := j.limiters[i].check(p.Identity, p.N); err != nil {
			return fmt.Errorf("%w (part %d)", err, i)
		}
	}
	return nil
}
