package conformance

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// small is how many bytes a state may have besides UnitSize for each unit. The contract
// says some 100.
const small = 150

// size takes units in the ways that make states longest. It takes them one by one, at one
// instant and at many, three times as many as there are, so that states of which units
// have come back are seen too. Then it takes many at once.
func size(t testing.TB, s *subject) {
	for _, l := range s.limits {
		units := min(l.Limit, 300)
		longest := 0
		for _, wait := range []int64{0, 1, max(1, l.refill()/(2*units)), l.refill()/units + 1} {
			state, now := "", int64(1_790_000_000_123_457)
			for i := range 3 * units {
				next, out := step(t, l, state, now, 1)
				if !out.Allowed() {
					now = min(dusk, now+out.RetryAfter)
					continue
				}
				state = next
				longest = max(longest, len(state))
				taken := min(i+1, l.Limit)
				if most := small + l.UnitSize*taken; int64(len(state)) > most {
					differ(t, fmt.Sprintf("%d bytes", len(state)), fmt.Sprintf("at most %d and UnitSize, which is %d, for each unit", small, l.UnitSize),
						"length of the state of an identity that took %d units under %v, one every %d µs", taken, l, wait)
				}
				now = min(dusk, now+wait)
			}
		}
		lot := min(l.Limit, 10_000)
		if next, _ := step(t, l, "", 1_790_000_000_123_457, lot); int64(len(next)) > small+l.UnitSize*lot {
			differ(t, fmt.Sprintf("%d bytes", len(next)), fmt.Sprintf("at most %d and UnitSize, which is %d, for each unit", small, l.UnitSize),
				"length of the state of an identity that took %d units at once under %v", lot, l)
		}
		// If states are said to grow but do not, too few keys go to Redis at once.
		if longest <= 100 && l.UnitSize*units >= 1000 {
			differ(t, l.UnitSize, 0, "UnitSize of %v, whose states have %d bytes at most when %d units are taken: it is not how large a state is", l, longest, units)
		}
	}
}

func lawPlain(t testing.TB, s *subject) {
	law(t, s, func(t *rapid.T, l limit, p past) {
		if l.Plain == nil {
			return
		}
		if got := l.Plain(p.state); got != p.state {
			differ(t, fmt.Sprintf("%q", got), fmt.Sprintf("%q", p.state), "Plain of a state that Step wrote under %v", l)
		}
		for range 5 {
			text, n := drawText(t, p.state, p.now), drawN(t, l)
			plain := l.Plain(text)
			if again := l.Plain(plain); again != plain {
				differ(t, fmt.Sprintf("%q", again), fmt.Sprintf("%q", plain), "Plain of what Plain made of the text %q under %v", text, l)
			}
			want, wantOut := step(t, l, text, p.now, n)
			got, gotOut := step(t, l, plain, p.now, n)
			if want == text { // unchanged: a text that promises something may stay as it is
				want, got = l.Plain(want), l.Plain(got)
			}
			if got != want || gotOut != wantOut {
				differ(t, fmt.Sprintf("%q %v", got, gotOut), fmt.Sprintf("%q %v", want, wantOut),
					"Step of %d units under %v from %q, which is Plain of %q, against from that: now %d", n, l, plain, text, p.now)
			}
		}
	})
}
