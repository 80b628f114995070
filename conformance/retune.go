package conformance

import (
	"testing"

	"pgregory.net/rapid"
)

func retune(t testing.TB, s *subject) {
	if len(s.limits) < 2 {
		t.Skip("one limit only: give two or more of one Plan.Name to test that limits can be changed")
	}
	st, keys := s.Open(t), newKeyspace().keys(1)
	rapid.Check(t, func(t *rapid.T) {
		old := rapid.SampledFrom(s.limits).Draw(t, "old limit")
		l := rapid.SampledFrom(s.limits).Draw(t, "new limit")
		p := drawPast(t, old)
		// Take all that is left.
		if _, out := step(t, old, p.state, p.now, 0); out.Remaining > 0 {
			p.state, _ = step(t, old, p.state, p.now, out.Remaining)
		}
		_, out := step(t, l, p.state, p.now, 1)
		if l.Limit > 2*old.Limit && !out.Allowed() {
			differ(t, out, "allowed", "one unit under %v, of an identity that has taken all of %v: state %q, now %d", l, old, p.state, p.now)
		}
		worst := 2 * l.refill()
		if out.RetryAfter > worst || out.ResetAfter > worst {
			differ(t, out, worst, "one unit under %v, of an identity that has taken all of %v, against twice the time in which all comes back: state %q, now %d", l, old, p.state, p.now)
		}
		boundHolds(t, l, greedy(t, l, p.state, p.now))

		// The server must give the same answer.
		plant(t, st, keys[0], stored{text: p.state})
		reply := decide(t, st, l.program, keys, p.now, request{1, 0})
		if got := outcome(t, l.program, reply, 0, 0); got != out {
			differ(t, got, out, "one unit under %v, of an identity that has taken all of %v: state %q, now %d", l, old, p.state, p.now)
		}
	})
}
