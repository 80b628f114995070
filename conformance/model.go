package conformance

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/internal/virtualclock"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// model drives the Lua on the server and Step in lock step, under a virtual
// clock, and compares whole outcomes and the bytes of the states.
func model(t testing.TB, s *subject) {
	st, keys := s.Open(t), newKeyspace().keys(3)
	rapid.Check(t, func(t *rapid.T) {
		run(t, st, dropScript, keys)
		m := &machine{store: st, keys: keys, limits: s.limits, states: make([]stored, len(keys))}
		m.limit = rapid.SampledFrom(m.limits).Draw(t, "limit")
		m.now = drawClock(t)
		t.Repeat(map[string]func(*rapid.T){
			"One":       m.one,
			"Several":   m.several,
			"Together":  m.together,
			"Wait":      m.wait,
			"JustRetry": m.justRetry,
			"StepBack":  m.stepBack,
			"Garbage":   m.garbage,
			"Retune":    m.retune,
			"Reset":     m.reset,
		})
	})
}

type machine struct {
	store  store.Store
	keys   []string
	limits []limit

	limit  limit
	states []stored // what must be stored under each key
	lives  *lives   // of the keys; nil if they are not watched
	now    int64
	last   struct { // the last request that was answered
		request
		out algorithm.Outcome
	}
}

func (m *machine) draw(t *rapid.T) request {
	return request{drawN(t, m.limit), rapid.IntRange(0, len(m.keys)-1).Draw(t, "key")}
}

// one makes a single request.
func (m *machine) one(t *rapid.T) {
	r := m.draw(t)
	// The run has no other key, so that it takes a shorter way through the script.
	m.run(t, []int{r.place}, []request{{r.n, 0}})
}

// several makes several requests in one run, some of them for the same key.
func (m *machine) several(t *rapid.T) {
	var requests []request
	for range rapid.IntRange(2, 8).Draw(t, "requests") {
		requests = append(requests, m.draw(t))
	}
	m.run(t, []int{0, 1, 2}, requests)
}

// together makes requests in the form in which a limiter sends those of many callers: one
// or more equal requests, one right after the other, for each of the first keys, and one
// request for one unit of each of the remaining keys.
func (m *machine) together(t *rapid.T) {
	p := m.limit.program
	args := p.AppendParams(nil)
	var requests []request
	begins := map[int]bool{} // which requests begin a row
	ones := rapid.IntRange(0, len(m.keys)).Draw(t, "keys before those of one unit")
	for key := range ones {
		n := drawN(t, m.limit)
		count := rapid.IntRange(1, 6).Draw(t, "requests at once")
		args = p.AppendRepeats(args, n, count, key)
		begins[len(requests)] = true
		for range count {
			requests = append(requests, request{n, key})
		}
	}
	if ones < len(m.keys) {
		args = p.AppendOnes(args, ones)
	}
	for key := ones; key < len(m.keys); key++ {
		begins[len(requests)] = true
		requests = append(requests, request{1, key})
	}
	before := m.begin()
	reply := run(t, m.store, virtualclock.Script(p.Script()), m.keys, append(args, m.now)...)
	outcomes, err := p.Outcomes(reply)
	for i, r := range requests {
		if begins[i] {
			outcomes.Row(r.n)
		}
		var out algorithm.Outcome
		if err == nil {
			out, err = outcomes.Next()
		}
		about := fmt.Sprintf("request %d of %d", i+1, len(requests))
		m.answered(t, r.place, r.n, err, about)
		m.check(t, r.place, r.n, out, about)
	}
	if err := outcomes.End(); err != nil {
		differ(t, err, "no error", "reply of script %s to %d requests", p.Script().Name(), len(requests))
	}
	m.look(t, before, requests)
}

// run runs requests on the keys at places, and checks that the server answers as Step
// does. The place of a request is an index into places.
func (m *machine) run(t *rapid.T, places []int, requests []request) {
	keys := make([]string, len(places))
	for i, place := range places {
		keys[i] = m.keys[place]
	}
	before := m.begin()
	reply := decide(t, m.store, m.limit.program, keys, m.now, requests...)
	if now := m.limit.program.Now(reply); now != m.now {
		differ(t, now, m.now, "the time that the reply names")
	}
	for i, r := range requests {
		about := fmt.Sprintf("request %d of %d", i+1, len(requests))
		out, err := m.limit.program.Outcome(reply, i, 0)
		m.answered(t, places[r.place], r.n, err, about)
		m.check(t, places[r.place], r.n, out, about)
	}
	m.look(t, before, requests)
}

// begin returns the states before a run, and lets m.states be a copy for the run to change.
func (m *machine) begin() []stored {
	before := m.states
	m.states = append([]stored(nil), before...)
	if m.lives != nil {
		m.lives.asked = time.Now()
	}
	return before
}

// answered stops the test if a request failed, and says which error the Lua raised.
func (m *machine) answered(t *rapid.T, key int, n int64, err error, about string) {
	if err == nil {
		return
	}
	state, got := m.states[key], any(err)
	if errors.Is(err, algorithm.ErrFailed) {
		got = raised(t, m.store, m.limit, "", m.keys[key], state.text, m.now, n)
	}
	differ(t, got, "no error", "%s, for %d units of key %d under %v: state %v, now %d", about, n, key, m.limit, state, m.now)
}

// check compares the answer to a request with Step's, and keeps the state that Step returns.
func (m *machine) check(t *rapid.T, key int, n int64, got algorithm.Outcome, about string) {
	state := m.states[key]
	next, want := m.limit.next(state.text, m.now, n)
	if got != want {
		differ(t, got, want, "%s, for %d units of key %d under %v: state %v, now %d", about, n, key, m.limit, state, m.now)
	}
	if next != state.text {
		m.states[key] = stored{text: next}
	}
	m.last.request, m.last.out = request{n, key}, want
}

// look compares what is stored with the states that Step returned.
func (m *machine) look(t *rapid.T, before []stored, after []request) {
	for i, got := range peek(t, m.store, m.keys...) {
		if want := m.states[i]; !m.limit.is(got, want, before[i]) {
			differ(t, got, want, "what is stored under key %d after %d requests under %v at %d: %v; before them: %v", i, len(after), m.limit, m.now, after, before[i])
		}
		m.states[i] = got
	}
	if m.lives != nil {
		m.live(t, before)
	}
}

func (m *machine) wait(t *rapid.T) {
	m.now = min(dusk, m.now+drawWait(t, m.limit, m.last.out.RetryAfter, m.last.out.ResetAfter))
}

// justRetry repeats a request that was denied, 1 µs too early and then in time.
func (m *machine) justRetry(t *rapid.T) {
	r, wait := m.last.request, m.last.out.RetryAfter
	if wait <= 0 || m.now+wait > dusk {
		t.Skip("nothing was denied")
	}
	again := []request{{r.n, 0}}
	m.now += wait - 1
	m.run(t, []int{r.place}, again)
	m.now++
	m.run(t, []int{r.place}, again)
}

func (m *machine) stepBack(t *rapid.T) { m.now = max(dawn, m.now-drawStepBack(t, m.limit)) }

// garbage stores under a key something that no limit has written.
func (m *machine) garbage(t *rapid.T) {
	key := rapid.IntRange(0, len(m.keys)-1).Draw(t, "key")
	what := stored{other: rapid.IntRange(0, 9).Draw(t, "type") == 9}
	if !what.other {
		what.text = drawText(t, m.states[key].text, m.now)
	}
	plant(t, m.store, m.keys[key], what)
	m.states[key] = what
}

func (m *machine) retune(t *rapid.T) {
	m.limit = rapid.SampledFrom(m.limits).Draw(t, "limit")
}

func (m *machine) reset(t *rapid.T) {
	key := rapid.IntRange(0, len(m.keys)-1).Draw(t, "key")
	run(t, m.store, dropScript, m.keys[key:key+1])
	m.states[key] = stored{}
}
