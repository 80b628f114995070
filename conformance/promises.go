package conformance

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/distributed-rate-limiter/ratelimit/internal/virtualclock"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// promises drives limits whose states are added to, and watches when their keys expire.
func promises(t testing.TB, s *subject) {
	st, keys := s.Open(t), newKeyspace().keys(3)
	var limits []limit
	for _, l := range s.limits {
		if l.Plain != nil {
			limits = append(limits, l)
		}
	}
	if len(limits) == 0 {
		return
	}
	rapid.Check(t, func(t *rapid.T) {
		run(t, st, dropScript, keys)
		m := &machine{store: st, keys: keys, limits: limits, states: make([]stored, len(keys)), lives: &lives{ends: make([]int64, len(keys))}}
		m.limit = rapid.SampledFrom(limits).Draw(t, "limit")
		around := rapid.OneOf(
			rapid.Int64Range(1_767_225_600_000_000, 2_524_608_000_000_000), // 2026 to 2050
			rapid.SampledFrom([]int64{17e14, 26e14}),                       // roughly between these, a bucket's text is an integer
		).Draw(t, "clock")
		m.now = max(dawn, around-rapid.Int64Range(0, 3*m.limit.refill()).Draw(t, "earlier"))
		for range rapid.IntRange(1, 14).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"visit", "visit", "visit", "several", "together", "wait", "step back", "retune", "retune"}).Draw(t, "step") {
			case "visit":
				m.visit(t)
			case "several":
				m.several(t)
			case "together":
				m.together(t)
			case "wait":
				m.wait(t)
			case "step back":
				m.stepBack(t)
			case "retune":
				m.retune(t)
			}
		}
	})
}

// visit comes back to a key several times, for a unit or two, mostly before all are back.
func (m *machine) visit(t *rapid.T) {
	place := rapid.IntRange(0, len(m.keys)-1).Draw(t, "key")
	for range rapid.IntRange(1, 10).Draw(t, "times") {
		m.run(t, []int{place}, []request{{rapid.Int64Range(1, min(2, m.limit.Limit)).Draw(t, "n"), 0}})
		m.now = min(dusk, m.now+rapid.Int64Range(0, 3*m.limit.refill()/m.limit.Limit).Draw(t, "wait"))
	}
}

// lives says when keys expire.
type lives struct {
	ends  []int64 // in µs, by the virtual clock
	asked time.Time
}

// live checks that the keys whose states have changed live as long as these states need.
func (m *machine) live(t *rapid.T, before []stored) {
	for i, left := range run(t, m.store, leftScript, m.keys) {
		end := &m.lives.ends[i]
		if left < leftAlone { // the run gave it a new life, of which end is an upper bound
			*end = m.now + left*1000 + time.Since(m.lives.asked).Microseconds() - virtualclock.Longer.Microseconds()
		}
		state := m.states[i]
		if state == before[i] || state.text == "" {
			continue
		}
		_, out := m.limit.Step(state.text, m.now, 0)
		if until := m.now + out.ResetAfter; *end+2000 < until { // Redis has whole ms
			differ(t, *end, until, "when key %d ends, in µs, under %v at %d: state %v, before it %v", i, m.limit, m.now, state, before[i])
		}
	}
}

// leftScript returns how long keys have left to live, in ms. Then it lets them live longer
// than any limit would, so that the next call can tell which were given a new life.
var leftScript = store.NewScript("left", `
local r = {}
for i, key in ipairs(KEYS) do
	r[i] = redis.call('PTTL', key)
	redis.call('PEXPIRE', key, '7889238000000')
end
return r`)

// leftAlone, in ms, is longer than any limit lets a key live: 222 years.
const leftAlone = 7_000_000_000_000
