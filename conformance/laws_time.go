package conformance

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

func lawRetryIsTight(t testing.TB, s *subject) {
	law(t, s, func(t *rapid.T, l limit, p past) {
		n := drawN(t, l)
		state, out := step(t, l, p.state, p.now, n)
		if out.RetryAfter <= 0 {
			return
		}
		if _, then := step(t, l, state, p.now+out.RetryAfter, n); !then.Allowed() {
			differ(t, then, "allowed", "%d units under %v after the RetryAfter of %d µs: state %q, now %d", n, l, out.RetryAfter, state, p.now)
		}
		if _, then := step(t, l, state, p.now+out.RetryAfter-1, n); then.RetryAfter != 1 {
			differ(t, then, "a denial, with a RetryAfter of 1 µs", "%d units under %v 1 µs before the RetryAfter of %d µs is over: state %q, now %d", n, l, out.RetryAfter, state, p.now)
		}
	})
}

func lawResetIsTight(t testing.TB, s *subject) {
	law(t, s, func(t *rapid.T, l limit, p past) {
		state, out := step(t, l, p.state, p.now, drawN(t, l))
		at, old, fresh := p.now+out.ResetAfter, state, ""
		if out.ResetAfter > 0 {
			_, look := step(t, l, state, at-1, 0)
			if look.ResetAfter != 1 {
				differ(t, look.ResetAfter, 1, "ResetAfter under %v 1 µs before the one of %d µs is over: state %q, now %d", l, out.ResetAfter, state, p.now)
			}
		}
		// As good as new: whatever it does next, it gets the answers of a fresh identity.
		for range 4 {
			n := drawN(t, l)
			var a, b algorithm.Outcome
			old, a = step(t, l, old, at, n)
			fresh, b = step(t, l, fresh, at, n)
			if a != b {
				differ(t, a, b, "%d units under %v at %d, against a fresh identity: its ResetAfter of %d µs was over (state %q, now %d)", n, l, at, out.ResetAfter, state, p.now)
			}
			at += drawWait(t, l, a.RetryAfter, a.ResetAfter)
		}
	})
}

func lawClockBack(t testing.TB, s *subject) {
	law(t, s, func(t *rapid.T, l limit, p past) {
		_, before := step(t, l, p.state, p.now, 0)
		back := max(dawn, p.now-drawStepBack(t, l))
		if _, after := step(t, l, p.state, back, 0); after.Remaining > before.Remaining {
			differ(t, after.Remaining, before.Remaining, "Remaining under %v after the clock was set from %d back to %d: state %q", l, p.now, back, p.state)
		}
		// Taking units then, and setting the clock right again, must give nothing back
		// either. This holds for steps of half a refill at most: after a longer one the
		// state may be taken for that of a clock that was wrong.
		back = max(back, p.now-l.refill()/2)
		n := drawN(t, l)
		state, out := step(t, l, p.state, back, n)
		if _, again := step(t, l, state, p.now, 0); out.Allowed() && again.Remaining > before.Remaining {
			differ(t, again.Remaining, before.Remaining, "Remaining under %v after the clock was set from %d back to %d and forth again, with %d units taken between: state %q", l, p.now, back, n, p.state)
		}
	})
}
