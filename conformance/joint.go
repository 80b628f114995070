package conformance

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// A joint decision is tested with up to maxLimits limits of perLimit keys each.
const (
	maxLimits = 4
	perLimit  = 2
)

// joint drives programs of several limits and their specification in lock step.
func joint(t testing.TB, s *subject) {
	st, all := s.Open(t), newKeyspace().keys(maxLimits*perLimit)
	rapid.Check(t, func(t *rapid.T) {
		var limits []limit
		var plans []*algorithm.Plan
		for range rapid.IntRange(2, maxLimits).Draw(t, "limits") {
			l := rapid.SampledFrom(s.limits).Draw(t, "limit")
			limits, plans = append(limits, l), append(plans, l.Plan)
		}
		program, err := algorithm.Compose(plans...)
		if err != nil {
			t.Fatalf("Compose: %v", err)
		}
		keys := all[:perLimit*len(limits)]
		run(t, st, dropScript, keys)
		states := make([]stored, len(keys))
		now := drawClock(t)
		for range rapid.IntRange(1, 8).Draw(t, "runs") {
			if rapid.IntRange(0, 5).Draw(t, "garbage") == 5 {
				i := rapid.IntRange(0, len(keys)-1).Draw(t, "key")
				states[i] = stored{text: drawText(t, states[i].text, now)}
				plant(t, st, keys[i], states[i])
			}
			var requests []request
			for range rapid.IntRange(1, 5).Draw(t, "decisions") {
				for i, l := range limits {
					requests = append(requests, request{drawN(t, l), perLimit*i + rapid.IntRange(0, perLimit-1).Draw(t, "key")})
				}
			}
			before := slices.Clone(states)
			reply, decision := decide(t, st, program, keys, now, requests...), 0
			for asked := range slices.Chunk(requests, len(limits)) {
				want := together(limits, states, asked, now)
				for i, l := range limits {
					if got := outcome(t, program, reply, decision, i); got != want[i] {
						differ(t, got, want[i], "decision %d, of limit %d of %d, %v: requests %v at %d", decision+1, i+1, len(limits), l, requests, now)
					}
				}
				decision++
			}
			for i, got := range peek(t, st, keys...) {
				if l := limits[i/perLimit]; !l.is(got, states[i], before[i]) {
					differ(t, got, states[i], "what is stored for limit %d, %v, after requests %v at %d", i/perLimit+1, l, requests, now)
				}
				states[i] = got
			}
			l := rapid.SampledFrom(limits).Draw(t, "whose wait")
			now = min(dusk, now+drawWait(t, l, 0, 0))
		}
	})
}

// together is the specification of a joint decision. It changes states.
func together(limits []limit, states []stored, asked []request, now int64) []algorithm.Outcome {
	outs := make([]algorithm.Outcome, len(limits))
	next := make([]string, len(limits))
	all := true
	for i, l := range limits {
		r := asked[i]
		next[i], outs[i] = l.next(states[r.place].text, now, r.n)
		all = all && (outs[i].Allowed() || r.n == 0)
	}
	for i, l := range limits {
		state := &states[asked[i].place]
		switch {
		case !all && outs[i].Allowed():
			// Another limit said no, so this one's numbers are those of a look.
			_, outs[i] = l.Step(state.text, now, 0)
			outs[i].RetryAfter = 0
		case next[i] != state.text:
			*state = stored{text: next[i]}
		}
	}
	return outs
}
