package faults

import (
	"errors"
	"fmt"
	"time"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// tally counts what became of calls.
type tally struct {
	allowed  int64 // by Redis
	denied   int64 // by Redis
	degraded int64
	unknown  int64 // how many of degraded may have been charged
	classes  map[ratelimit.ErrorClass]int
	examples map[ratelimit.ErrorClass]error
	longest  time.Duration
	wrong    []string // what must not have happened
}

// count counts one call.
func (c *tally) count(mode ratelimit.FailureMode, took time.Duration, r ratelimit.Result, err error, e ratelimit.Event) {
	c.longest = max(c.longest, took)
	switch {
	case err != nil:
		c.mistake("an error, with a context that lives: %v", err)
	case r.Degraded != (e.Err != nil) || r.Degraded != (e.Class != "") || e.Result != r:
		c.mistake("result %+v and event %+v", r, e)
	}
	switch {
	case r.Degraded && r.Allowed != (mode == ratelimit.FailOpen):
		c.mistake("mode %v, result %+v", mode, r)
	case r.Degraded:
		c.degraded++
		if mayBeCharged(e) {
			c.unknown++
		}
		c.class(e.Class, 1, e.Err)
	case r.Allowed:
		c.allowed++
	default:
		c.denied++
	}
}

// mayBeCharged reports whether a call that Redis did not decide may have been charged. If
// Redis replied with an error, it was not.
func mayBeCharged(e ratelimit.Event) bool {
	switch e.Class {
	case ratelimit.ClassOverloaded, ratelimit.ClassRefused, ratelimit.ClassDenied, ratelimit.ClassBreaker:
		return false
	}
	var reply *store.ServerError
	return !errors.As(e.Err, &reply)
}

func (c *tally) class(class ratelimit.ErrorClass, n int, example error) {
	if c.classes == nil {
		c.classes, c.examples = map[ratelimit.ErrorClass]int{}, map[ratelimit.ErrorClass]error{}
	}
	c.classes[class] += n
	c.examples[class] = example
}

func (c *tally) mistake(format string, args ...any) {
	const enough = 3
	if len(c.wrong) < enough {
		c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
	}
}

// add adds the counts of o.
func (c *tally) add(o *tally) {
	c.allowed += o.allowed
	c.denied += o.denied
	c.degraded += o.degraded
	c.unknown += o.unknown
	c.longest = max(c.longest, o.longest)
	for class, n := range o.classes {
		c.class(class, n, o.examples[class])
	}
	for _, wrong := range o.wrong {
		c.mistake("%s", wrong)
	}
}

// total returns the tally of all callers.
func (l *load) total() *tally {
	sum := &tally{}
	for _, side := range l.sides {
		for _, c := range side.callers {
			sum.add(&c.tally)
		}
	}
	return sum
}

// byIdentity returns the tallies of a side's identities.
func (s *side) byIdentity() map[string]*tally {
	sums := map[string]*tally{}
	for _, c := range s.callers {
		if sums[c.identity] == nil {
			sums[c.identity] = &tally{}
		}
		sums[c.identity].add(&c.tally)
	}
	return sums
}
