package conformance

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// grant is a request for n units that was admitted at an instant.
type grant struct{ at, n int64 }

// windowIsTrue needs no past: it compares Bound with Limit and Window.
func windowIsTrue(t testing.TB, s *subject) {
	for _, l := range s.limits {
		if l.Window == 0 {
			continue
		}
		windows := min(1000, math.MaxInt64/int64(l.Window), math.MaxInt64/l.Limit-2)
		most := l.Bound(time.Duration(windows) * l.Window)
		// Beyond its rate a limit admits a burst or two. A Window that is rounded makes a
		// difference of up to a unit in each window.
		if most < (windows-1)*(l.Limit-1) || most > (windows+2)*(l.Limit+1) {
			differ(t, most, windows*l.Limit, "what %v admits at most in %d times its Window of %v", l, windows, l.Window)
		}
	}
}

// boundGrows looks for overflow: a Bound that multiplies before it divides is too low for
// intervals of some years or more.
func boundGrows(t testing.TB, s *subject) {
	var spans []time.Duration
	for shift := range 63 {
		spans = append(spans, 1<<shift-1, 1<<shift)
	}
	spans = append(spans, math.MaxInt64)
	for _, l := range s.limits {
		before, shorter := l.Limit, time.Duration(0)
		for _, d := range spans {
			got := l.Bound(d)
			if got < before {
				differ(t, got, fmt.Sprintf("%d or more, as for %v", before, shorter), "Bound of %v for %v", l, d)
			}
			before, shorter = got, d
		}
	}
}

func lawBoundHolds(t testing.TB, s *subject) {
	rapid.Check(t, func(t *rapid.T) {
		l := rapid.SampledFrom(s.limits).Draw(t, "limit")
		grants := greedy(t, l, "", drawClock(t))
		boundHolds(t, l, grants)
	})
}

// greedy lets callers take what they can, in 150 requests or until dusk.
func greedy(t *rapid.T, l limit, state string, now int64) (grants []grant) {
	// Drawing is expensive, so a few acts are drawn and repeated as a habit.
	type act struct{ n, wait int64 }
	habit := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) act {
		wait := rapid.OneOf(rapid.SampledFrom([]int64{0, -1, -2}), rapid.Int64Range(0, l.refill()/max(1, l.Limit)+1), rapid.Int64Range(0, l.refill())).Draw(t, "wait")
		return act{max(1, drawN(t, l)), wait}
	}), 1, 12).Draw(t, "habit")
	for i := range 150 {
		a := habit[i%len(habit)]
		next, out := step(t, l, state, now, a.n)
		state = next
		if out.Allowed() {
			grants = append(grants, grant{now, a.n})
		}
		switch a.wait {
		case -1:
			now += max(0, out.RetryAfter)
		case -2:
			now += out.ResetAfter
		default:
			now += a.wait
		}
		if now > dusk {
			break
		}
	}
	return grants
}

// boundHolds checks that from any grant to any later one, no more is admitted than the
// limit's Bound.
func boundHolds(t failer, l limit, grants []grant) {
	t.Helper()
	for i, from := range grants {
		var total int64
		for _, to := range grants[i:] {
			total += to.n
			d := time.Duration(to.at-from.at) * time.Microsecond
			if to.at-from.at > int64(time.Duration(1<<63-1)/time.Microsecond) {
				break
			}
			if total > l.Bound(d) {
				differ(t, total, l.Bound(d), "units admitted by %v in %v, from %d", l, d, from.at)
			}
		}
	}
}
