package main

import (
	"fmt"
	"time"
)

// limit is count units in each period, all of which may be taken at once.
type limit struct {
	count  int64
	period time.Duration
}

// year is a long period. Some limiters let a key expire once it no longer matters; with
// this period, no key expires while it is needed for a measurement.
const year = 365 * 24 * time.Hour

// scene is a limit and the keys that it applies to. Workloads of one scene share the keys,
// which are warmed once for each contestant.
type scene struct {
	name  string
	limit limit
	keys  spread // of the workloads
	// warm is how the keys are made to exist before measuring.
	warm warming
	// denied tells that nearly everything is denied, rather than nothing.
	denied bool
}

type warming int

const (
	warmEach warming = iota // each identity is asked for once
	warmSome                // enough are drawn to include the popular ones
)

var (
	// One unit comes back every five minutes, so a key lives that long after one decision.
	distinctAllowed = &scene{name: "distinct allowed", keys: uniform, limit: limit{100_000, year}, warm: warmEach}
	distinctDenied  = &scene{name: "distinct denied", keys: uniform, limit: limit{1, time.Hour}, warm: warmEach, denied: true}
	// The most popular identity has an eighth of the load.
	zipfAllowed = &scene{name: "Zipf allowed", keys: zipf, limit: limit{10_000_000, year}, warm: warmSome}
	hotAllowed  = &scene{name: "hot allowed", keys: hot, limit: limit{1_000_000_000, year}, warm: warmSome}
	hotDenied   = &scene{name: "hot denied", keys: hot, limit: limit{100, time.Second}, warm: warmSome, denied: true}
)

// workload is a scene with a number of callers.
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

// turns returns the number of turns into which the time of a round is divided. Most of the
// latency of a single caller is the time that a virtual machine takes to wake, which
// changes within seconds. So the turns of such a workload are short, and changes affect
// all alike.
func (w *workload) turns() int {
	if w.callers == 1 {
		return 10
	}
	return 1
}

// workloads returns all workloads. Those of one scene are adjacent.
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

// describe describes the workload in words.
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

// wrong returns how many of a measurement's decisions cannot be right, given how many of
// them were allowed. If nearly everything is denied, up to twice the limit counts as
// right: fixed windows say openly that they allow as much, and units that are left from
// before the measurement may be taken in it. With many keys, the warm-up has taken the limit
// of each once, so the measurement may take it once more.
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
