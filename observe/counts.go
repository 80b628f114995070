package observe

import (
	"context"
	"encoding/json"
	"slices"
	"sync/atomic"

	"github.com/distributed-rate-limiter/ratelimit"
)

// Counts is an observer that counts decisions, failures, breakers that open, and runs. The
// zero value is ready to use, by its pointer, and is safe for concurrent use.
//
// A *Counts is also an expvar.Var: expvar.Publish("ratelimit", &counts) shows it at
// /debug/vars.
type Counts struct {
	allowed, denied                 atomic.Int64
	degradedAllowed, degradedDenied atomic.Int64
	units                           atomic.Int64
	errors                          [maxClasses]atomic.Int64
	breakersOpen, opened            atomic.Int64
	runs, runDecisions              atomic.Int64
}

// classes are the classes that are counted. Any other class counts as other.
var classes = append(ratelimit.ErrorClasses(), other)

// maxClasses is how many classes there is room for.
const maxClasses = 16

const other ratelimit.ErrorClass = "other"

// Observe implements [ratelimit.Observer].
func (c *Counts) Observe(_ context.Context, e ratelimit.Event) {
	if e.Err != nil {
		i := slices.Index(classes, e.Class)
		if i < 0 {
			i = len(classes) - 1
		}
		c.errors[i].Add(1)
	}
	if !e.Decided() {
		return
	}
	switch r := e.Result; {
	case r.Allowed && r.Degraded:
		c.degradedAllowed.Add(1)
	case r.Allowed:
		c.allowed.Add(1)
	case r.Degraded:
		c.degradedDenied.Add(1)
	default:
		c.denied.Add(1)
	}
	if e.Result.Allowed {
		c.units.Add(e.N)
	}
}

// ObserveBreaker implements [ratelimit.BreakerObserver].
func (c *Counts) ObserveBreaker(e ratelimit.BreakerEvent) {
	switch {
	case e.State == ratelimit.BreakerOpen:
		c.opened.Add(1)
		c.breakersOpen.Add(1)
	case e.From == ratelimit.BreakerOpen:
		c.breakersOpen.Add(-1)
	}
}

// ObserveRun implements [ratelimit.RunObserver].
func (c *Counts) ObserveRun(e ratelimit.RunEvent) {
	c.runs.Add(1)
	c.runDecisions.Add(int64(e.Decisions))
}

// Snapshot is what a [Counts] had counted at some time.
type Snapshot struct {
	// Allowed and Denied are the requests that Redis decided.
	Allowed int64 `json:"allowed"`
	Denied  int64 `json:"denied"`
	// DegradedAllowed and DegradedDenied are the requests that the failure mode decided.
	DegradedAllowed int64 `json:"degraded_allowed"`
	DegradedDenied  int64 `json:"degraded_denied"`
	// Units is how many units the allowed requests took, degraded ones included.
	Units int64 `json:"units"`
	// Errors has the number of failures of each class that occurred, including those of
	// Peeks and of requests whose own context ended. It is not nil.
	Errors map[ratelimit.ErrorClass]int64 `json:"errors"`
	// BreakersOpen is how many breakers are open now, and BreakersOpened how many
	// times one has opened.
	BreakersOpen   int64 `json:"breakers_open"`
	BreakersOpened int64 `json:"breakers_opened"`
	// Runs is how often the script was run for callers. RunDecisions is how many calls
	// these runs were for, Peeks included, so RunDecisions/Runs is the mean batch size.
	Runs         int64 `json:"runs"`
	RunDecisions int64 `json:"run_decisions"`
}

// Snapshot returns the counts so far. Each is right by itself, but a decision that is being
// counted meanwhile may be in one count and not yet in another.
func (c *Counts) Snapshot() Snapshot {
	s := Snapshot{
		Allowed:         c.allowed.Load(),
		Denied:          c.denied.Load(),
		DegradedAllowed: c.degradedAllowed.Load(),
		DegradedDenied:  c.degradedDenied.Load(),
		Units:           c.units.Load(),
		Errors:          map[ratelimit.ErrorClass]int64{},
		BreakersOpen:    c.breakersOpen.Load(),
		BreakersOpened:  c.opened.Load(),
		Runs:            c.runs.Load(),
		RunDecisions:    c.runDecisions.Load(),
	}
	for i := range c.errors {
		if n := c.errors[i].Load(); n > 0 {
			s.Errors[classes[i]] = n
		}
	}
	return s
}

// String returns the snapshot as a JSON object.
func (c *Counts) String() string {
	text, _ := json.Marshal(c.Snapshot()) // integers do not fail
	return string(text)
}
