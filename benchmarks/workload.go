package main

import (
	"fmt"
	"time"
)

// limit is count in each period, all of which may be taken at once.
type limit struct {
	count  int64
	period time.Duration
}

// year is long for a period, so that keys which a limiter lets expire when they
// say nothing more are there for as long as it is measured.
const year = 365 * 24 * time.Hour

// scene is one limit with the keys that it is met on. Workloads of one scene share
// the keys, which are warmed once for each contestant.
type scene struct {
	name  string
	limit limit
	keys  spread // of the workloads
	// warm is how the keys are made to exist before measuring.
	warm warming
	// denied tells that nearly all is denied, rather than nothing.
	denied bool
}

type warming int

const (
	warmEach warming = iota // each identity is asked for once
	warmSome                // as many are drawn as it takes to have the popular ones
)

var (
	// One unit comes back every five minutes: a key lives so long after one decision.
	distinctAllowed = &scene{name: "distinct allowed", keys: uniform, limit: limit{100_000, year}, warm: warmEach}
	distinctDenied  = &scene{name: "distinct denied", keys: uniform, limit: limit{1, time.Hour}, warm: warmEach, denied: true}
	// The most popular of the identities has an eighth of the load.
	zipfAllowed = &scene{name: "Zipf allowed", keys: zipf, limit: limit{10_000_000, year}, warm: warmSome}
	hotAllowed  = &scene{name: "hot allowed", keys: hot, limit: limit{1_000_000_000, year}, warm: warmSome}
	hotDenied   = &scene{name: "hot denied", keys: hot, limit: limit{100, time.Second}, warm: warmSome, denied: true}
)

// workload is a scene at a number of callers.
type workload struct {
	*scene
	callers int
}

func (w *workload) String() string {
	if w.callers == 1 {
		return "1 caller, " + w.name
	}
	return fmt.Sprintf("%d callers, %s", w.callers, w.name)
}

// turns returns in how many turns a round is measured, to which its time is divided. How
// fast a virtual machine wakes, which is most of the latency of a caller that is alone,
// changes within seconds: so these are short, and hit all alike.
func (w *workload) turns() int {
	if w.callers == 1 {
		return 10
	}
	return 1
}

// workloads returns all. Those of one scene stand together.
func workloads() []*workload {
	return []*workload{
		{distinctAllowed, 1},
		{distinctAllowed, 64},
		{distinctAllowed, 512},
		{distinctDenied, 512},
		{zipfAllowed, 512},
		{hotAllowed, 8},
		{hotAllowed, 512},
		{hotDenied, 512},
	}
}

// describe says in words what is asked.
func (w *workload) describe(keys int) string {
	on := map[spread]string{
		uniform: fmt.Sprintf("identities drawn evenly from %s", count(int64(keys))),
		zipf:    fmt.Sprintf("identities drawn from %s by Zipf's law (s = %v)", count(int64(keys)), zipfExponent),
		hot:     "one identity",
	}[w.keys]
	what := "a limit that allows all"
	if w.denied {
		what = "a limit that denies nearly all"
	}
	return fmt.Sprintf("%s; %s (%s)", on, what, w.limit)
}

func (l limit) String() string {
	switch l.period {
	case year:
		return count(l.count) + " a year"
	case time.Hour:
		return count(l.count) + " an hour"
	case time.Second:
		return count(l.count) + " a second"
	}
	return fmt.Sprintf("%s in %v", count(l.count), l.period)
}

// wrong returns how many of a measurement's decisions, of which some were allowed,
// cannot be right. Where nearly all is denied, twice the limit is let pass: fixed
// windows are honest about that, and what a measurement finds in the bucket is not
// its own.
func (s *scene) wrong(decided, allowed int64, elapsed time.Duration, keys int) int64 {
	if !s.denied {
		return decided - allowed
	}
	if s.keys != hot {
		return max(0, allowed-int64(keys)*s.limit.count)
	}
	come := float64(s.limit.count) * (1 + elapsed.Seconds()/s.limit.period.Seconds())
	return max(0, allowed-int64(2*come))
}
