package conformance

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// maxExact is 2^53. A double can hold every integer up to it.
const maxExact = 1 << 53

func onePlan(t testing.TB, s *subject) {
	first := s.limits[0]
	for _, l := range s.limits {
		if l.Lua != first.Lua {
			differ(t, l.Lua, first.Lua, "the Lua of %v, which has the Name of %v: what differs belongs into Params", l, first)
		}
		if len(l.Params) != len(first.Params) {
			differ(t, len(l.Params), len(first.Params), "number of Params of %v, which has the Name of %v", l, first)
		}
		again, err := l.from.Compile()
		if err != nil {
			differ(t, err, "no error", "Compile of %v for the second time", l)
		}
		if again.Name != l.Name || again.Lua != l.Lua || again.Limit != l.Limit || !slices.Equal(again.Params, l.Params) {
			differ(t, again.Params, l.Params, "Params of %v, compiled for the second time (Name %q, Limit %d)", l, again.Name, again.Limit)
		}
		type rest struct {
			Window, Day     any
			UnitSize        int64
			Additive, Plain bool
		}
		of := func(p *algorithm.Plan) rest {
			return rest{p.Window, p.Bound(24 * time.Hour), p.UnitSize, p.Additive, p.Plain != nil}
		}
		if got, want := of(again), of(l.Plan); got != want {
			differ(t, got, want, "{Window, Bound of a day, UnitSize, Additive, whether Plain is there} of %v, compiled for the second time", l)
		}
	}
}

// law checks a property of Step for random limits of s, and for identities with random
// pasts that can have come about.
func law(t testing.TB, s *subject, property func(t *rapid.T, l limit, p past)) {
	rapid.Check(t, func(t *rapid.T) {
		l := rapid.SampledFrom(s.limits).Draw(t, "limit")
		property(t, l, drawPast(t, l))
	})
}

// past is the state of an identity that has made some requests until now.
type past struct {
	state string
	now   int64
}

func drawPast(t *rapid.T, l limit) past {
	p := past{now: drawClock(t)}
	for range rapid.IntRange(0, 12).Draw(t, "steps") {
		n := drawN(t, l)
		next, out := l.Step(p.state, p.now, n)
		p.state = next
		p.now = min(dusk, p.now+drawWait(t, l, out.RetryAfter, out.ResetAfter))
	}
	return p
}

// step calls Step, and fails the test if a number of the outcome is out of its range.
func step(t failer, l limit, state string, now, n int64) (string, algorithm.Outcome) {
	t.Helper()
	next, out := l.Step(state, now, n)
	switch {
	case out.RetryAfter < algorithm.NeverRetry || out.RetryAfter > maxExact:
		differ(t, out.RetryAfter, "-1 to 2^53", "RetryAfter of %v: state %q, now %d, n %d", l, state, now, n)
	case out.Remaining < 0 || out.Remaining > l.Limit:
		differ(t, out.Remaining, "0 to the Limit", "Remaining of %v: state %q, now %d, n %d", l, state, now, n)
	case out.ResetAfter < 0 || out.ResetAfter > maxExact:
		differ(t, out.ResetAfter, "0 to 2^53", "ResetAfter of %v: state %q, now %d, n %d", l, state, now, n)
	}
	return next, out
}

func lawPure(t testing.TB, s *subject) {
	law(t, s, func(t *rapid.T, l limit, p past) {
		n := drawN(t, l)
		next, out := step(t, l, p.state, p.now, n)
		// Other calls in between must make no difference.
		l.Step("", p.now+1, 1)
		l.Step(p.state, p.now+l.refill(), l.Limit)
		nextAgain, outAgain := step(t, l, p.state, p.now, n)
		if next != nextAgain || out != outAgain {
			differ(t, []any{nextAgain, outAgain}, []any{next, out}, "Step of %v for the second time: state %q, now %d, n %d", l, p.state, p.now, n)
		}
		compiled, err := l.from.Compile()
		if err != nil {
			t.Fatalf("Compile: %v", err)
		}
		nextAgain, outAgain = compiled.Step(p.state, p.now, n)
		if next != nextAgain || out != outAgain {
			differ(t, []any{nextAgain, outAgain}, []any{next, out}, "Step of %v, compiled anew: state %q, now %d, n %d", l, p.state, p.now, n)
		}
	})
}

func lawFresh(t testing.TB, s *subject) {
	law(t, s, func(t *rapid.T, l limit, p past) {
		_, look := step(t, l, "", p.now, 0)
		if want := (algorithm.Outcome{Remaining: l.Limit}); look != want {
			differ(t, look, want, "a look at a fresh identity under %v at %d", l, p.now)
		}
		n := rapid.OneOf(rapid.Just(l.Limit), rapid.Int64Range(1, l.Limit)).Draw(t, "n")
		_, out := step(t, l, "", p.now, n)
		if !out.Allowed() || out.Remaining != l.Limit-n {
			differ(t, out, algorithm.Outcome{Remaining: l.Limit - n, ResetAfter: out.ResetAfter}, "taking %d of a fresh identity under %v at %d", n, l, p.now)
		}
		for _, more := range []int64{l.Limit + 1, l.Limit + rapid.Int64Range(2, 1e9).Draw(t, "more"), 1 << 53} {
			_, out := step(t, l, p.state, p.now, more)
			if more > l.Limit && out.RetryAfter != algorithm.NeverRetry {
				differ(t, out.RetryAfter, algorithm.NeverRetry, "RetryAfter of %d units under %v: state %q, now %d", more, l, p.state, p.now)
			}
		}
		if _, out := step(t, l, p.state, p.now, l.Limit); out.RetryAfter == algorithm.NeverRetry {
			differ(t, "Never", "a time", "RetryAfter of all %d units under %v: state %q, now %d", l.Limit, l, p.state, p.now)
		}
	})
}

func lawDenialIsFree(t testing.TB, s *subject) {
	law(t, s, func(t *rapid.T, l limit, p past) {
		n := drawN(t, l)
		next, out := step(t, l, p.state, p.now, n)
		if !out.Allowed() && next != p.state {
			differ(t, next, p.state, "the state after a denial of %d units under %v at %d", n, l, p.now)
		}
	})
}

func lawLookIsFree(t testing.TB, s *subject) {
	law(t, s, func(t *rapid.T, l limit, p past) {
		next, look := step(t, l, p.state, p.now, 0)
		if next != p.state {
			differ(t, next, p.state, "the state after a look under %v at %d", l, p.now)
		}
		if _, one := step(t, l, p.state, p.now, 1); look.RetryAfter != one.RetryAfter {
			differ(t, look.RetryAfter, one.RetryAfter, "RetryAfter of a look under %v: state %q, now %d", l, p.state, p.now)
		}
		n := drawN(t, l)
		next, out := step(t, l, p.state, p.now, n)
		_, look = step(t, l, next, p.now, 0)
		if n > 0 && (look.Remaining != out.Remaining || look.ResetAfter != out.ResetAfter) {
			differ(t, look, out, "a look right after a request of %d units under %v: state %q, now %d (RetryAfter aside)", n, l, p.state, p.now)
		}
	})
}

func lawRemainingIsTrue(t testing.TB, s *subject) {
	law(t, s, func(t *rapid.T, l limit, p past) {
		state, out := step(t, l, p.state, p.now, drawN(t, l))
		if out.Remaining > 0 {
			if _, all := step(t, l, state, p.now, out.Remaining); !all.Allowed() || all.Remaining != 0 {
				differ(t, all, "allowed, with 0 remaining", "taking the %d units that remain under %v: state %q, now %d", out.Remaining, l, state, p.now)
			}
		}
		if _, more := step(t, l, state, p.now, out.Remaining+1); more.Allowed() {
			differ(t, more, "a denial", "taking one more than the %d units that remain under %v: state %q, now %d", out.Remaining, l, state, p.now)
		}
	})
}

func lawUnitsAddUp(t testing.TB, s *subject) {
	law(t, s, func(t *rapid.T, l limit, p past) { unitsAddUp(t, l, p.state, p.now) })
}

// unitsAddUp compares several equal requests with one request for all their units, if the
// Plan promises that they come to the same.
func unitsAddUp(t *rapid.T, l limit, state string, now int64) {
	if !l.Additive {
		return
	}
	n := rapid.OneOf(rapid.Just(int64(1)), rapid.Int64Range(1, min(3, l.Limit)), rapid.Int64Range(1, l.Limit)).Draw(t, "n")
	state, before := step(t, l, state, now, n)
	if !before.Allowed() || before.Remaining < 2*n {
		return
	}
	k := rapid.Int64Range(2, min(64, before.Remaining/n)).Draw(t, "k")
	atOnce, all := step(t, l, state, now, k*n)
	if !all.Allowed() {
		return // the promise does not cover this, but RemainingIsTrue does
	}
	next, out := state, before
	resets := []int64{before.ResetAfter}
	for range k {
		next, out = step(t, l, next, now, n)
		if !out.Allowed() {
			differ(t, out, "allowed", "each of %d requests of %d units under %v, as one of all of them is: state %q, now %d", k, n, l, state, now)
		}
		resets = append(resets, out.ResetAfter)
	}
	if next != atOnce || out != all {
		differ(t, []any{next, out}, []any{atOnce, all}, "%d requests of %d units under %v, against one of all of them: state %q, now %d", k, n, l, state, now)
	}
	more := resets[1] - resets[0]
	if all.ResetAfter != resets[0]+k*more {
		return
	}
	for i, reset := range resets {
		if want := resets[0] + int64(i)*more; reset != want {
			differ(t, reset, want, "ResetAfter after %d of %d requests of %d units under %v, by even steps: state %q, now %d", i, k, n, l, state, now)
		}
	}
}

func lawAnyState(t testing.TB, s *subject) {
	law(t, s, func(t *rapid.T, l limit, p past) {
		for range 10 { // few of all texts matter to an algorithm
			anyState(t, l, p)
		}
	})
}

func anyState(t *rapid.T, l limit, p past) {
	text, n := drawText(t, p.state, p.now), drawN(t, l)
	next, out := step(t, l, text, p.now, n)
	worst := 2 * l.refill()
	if out.RetryAfter > worst {
		differ(t, out.RetryAfter, worst, "RetryAfter of %d units under %v from state %q at %d, against twice the time in which all comes back", n, l, text, p.now)
	}
	if out.ResetAfter > worst {
		differ(t, out.ResetAfter, worst, "ResetAfter under %v from state %q at %d, against twice the time in which all comes back", l, text, p.now)
	}
	unitsAddUp(t, l, text, p.now)
	if n == 0 {
		return // a look does not mend a state from the far future
	}
	if _, later := step(t, l, next, p.now+out.ResetAfter, l.Limit); !later.Allowed() {
		differ(t, later, "allowed", "all %d units under %v after the ResetAfter of %d µs: state %q, then %q, now %d", l.Limit, l, out.ResetAfter, text, next, p.now)
	}
}
