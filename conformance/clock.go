package conformance

import (
	"testing"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

var timeScript = store.NewScript("time", "local t = redis.call('TIME') redis.call('EXISTS', KEYS[1]) return {t[1] * 1000000 + t[2]}")

func serverClock(t testing.TB, s *subject) {
	st, space := s.Open(t), newKeyspace()
	unsteady := isUnsteady(t, st)
	const few = 6 // of 60 decisions; a clock in milliseconds strays in nearly all of them
	for _, l := range s.limits {
		key := []string{space.key(l.String())}
		strays := 0
		for i := range 60 {
			before := peek(t, st, key...)[0].text
			from := run(t, st, timeScript, key)[0]
			// Enough for one to be denied: its RetryAfter shows the time to the µs.
			requests := []request{{1, 0}, {l.Limit, 0}, {0, 0}}[i%2:]
			reply := decideNow(t, st, l.program, key, requests...)
			to := run(t, st, timeScript, key)[0]
			now := l.program.Now(reply)
			if stray := max(from-now, now-to); stray > 0 {
				strays++
				if !unsteady || stray >= setBack || strays > few {
					differ(t, now, "from then to then", "the time of a decision under %v, by a server whose TIME was %d before and %d after", l, from, to)
				}
			}
			state := before
			for j, r := range requests {
				next, want := l.next(state, now, r.n)
				if got := outcome(t, l.program, reply, j, 0); got != want {
					differ(t, got, want, "request %d, for %d units under %v: state %q, at %d by the server's clock", j+1, r.n, l, state, now)
				}
				state = next
			}
		}
	}
}

// expiryScript returns the last ms, by the server's clock, in which a key exists: -1 if it
// never expires, 0 if it does not exist. It also returns the time by that clock, in µs.
// (PEXPIRETIME needs Redis 7. A reading by PTTL may be 1 ms late.)
var expiryScript = store.NewScript("expiry", `
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local at = redis.pcall('PEXPIRETIME', KEYS[1])
if type(at) == 'number' then
	if at == -2 then return {0, now} end
	return {at, now}
end
local left = redis.call('PTTL', KEYS[1])
if left == -2 then return {0, now} end
if left == -1 then return {-1, now} end
return {math.floor(now / 1000) + left, now}`)

// slackMillis is how much longer than necessary a state may live, in ms. It allows for
// rounding, for a server that is held up between two readings of its clock, and for
// algorithms that keep their states a little longer.
const slackMillis = 200

func expiry(t testing.TB, s *subject) {
	st, keys := s.Open(t), newKeyspace().keys(2)
	for _, l := range s.limits {
		if l.refill() < 1000 {
			continue // the key is gone before anybody can look
		}
		twice, err := algorithm.Compose(l.Plan, l.Plan)
		if err != nil {
			differ(t, err, "no error", "Compose of %v and itself", l)
		}
		// The harness writes states in three places: for a single request, for several in
		// one run, and for several limits. In the second place the state comes about in
		// three ways: by one request after the other, by many that follow at once, and by
		// one request for each key.
		ways := []struct {
			program *algorithm.Program
			keys    []string
			places  []int // of the requests
			follow  bool  // the requests follow at once, on the first key
			ones    bool  // the requests are for one unit, each of a key of its own
		}{
			{l.program, keys[:1], []int{0}, false, false},
			{l.program, keys, []int{0, 1, 0}, false, false},
			{twice, keys, []int{0, 1}, false, false},
			{l.program, keys[:1], []int{0, 0, 0, 0, 0}, true, false},
			{l.program, keys, []int{0, 1}, false, true},
		}
		for i := range 20 {
			way := ways[i%len(ways)]
			run(t, st, dropScript, keys)
			// Each further unit must prolong the life of the state, whether or not the
			// harness gave it a longer life when the identity first came back.
			first := 1 + int64(i)*(l.Limit-1)/19
			for j, n := range []int64{first, 1, 1, max(1, first/2), 1} {
				var requests []request
				for _, place := range way.places {
					requests = append(requests, request{n, place})
				}
				if way.follow {
					now, until := follow(t, st, way.program, way.keys, n, len(requests))
					expires(t, st, l, way.keys[0], now, until, j > 0, requests)
					continue
				}
				until := make([]int64, len(way.keys)) // in µs
				var reply []int64
				if way.ones {
					for i := range requests {
						requests[i].n = 1
					}
					p := way.program
					reply = run(t, st, p.Script(), way.keys, p.AppendOnes(p.AppendParams(nil), 0)...)
				} else {
					reply = decideNow(t, st, way.program, way.keys, requests...)
				}
				for i, r := range requests {
					limits := way.program.Limits()
					until[r.place] = way.program.Now(reply) + outcome(t, way.program, reply, i/limits, i%limits).ResetAfter
				}
				for i, key := range way.keys {
					expires(t, st, l, key, way.program.Now(reply), until[i], j > 0, requests)
				}
			}
		}
	}
}

// follow runs equal requests on the first key, one right after the other. It returns when
// they were decided, and until when the state that they leave must live, in µs.
func follow(t failer, st store.Store, p *algorithm.Program, keys []string, n int64, requests int) (now, until int64) {
	t.Helper()
	reply := run(t, st, p.Script(), keys, p.AppendRepeats(p.AppendParams(nil), n, requests, 0)...)
	outcomes, err := p.Outcomes(reply)
	outcomes.Row(n)
	var last algorithm.Outcome
	for i := 0; i < requests && err == nil; i++ {
		last, err = outcomes.Next()
	}
	if err != nil {
		differ(t, err, "no error", "reply of script %s to %d requests", p.Script().Name(), requests)
	}
	return p.Now(reply), p.Now(reply) + last.ResetAfter
}

// expires checks that a key ends when its state does, at until. The state was written at
// now; both are in µs. The key may end later if the identity has come again and the Plan
// has Plain, so that states are added to. It may also end later by the time that has passed
// since now, because the times to live of an embedded Redis may stand still meanwhile.
func expires(t testing.TB, s store.Store, l limit, key string, now, until int64, again bool, after []request) {
	t.Helper()
	reply := run(t, s, expiryScript, []string{key})
	at, asked := reply[0], reply[1]
	latest := until/1000 + slackMillis + max(0, asked-now)/1000
	if again && l.Plain != nil {
		latest += 10_000 + 10*l.refill()/1000
	}
	switch {
	case at == -1:
		differ(t, "never", "a time", "when a state expires, after requests %v under %v", after, l)
	case at == 0 && run(t, s, timeScript, []string{key})[0] < until:
		differ(t, "gone", until, "a state before its ResetAfter is over, after requests %v under %v", after, l)
	case at == 0: // its time was over already, on a slow machine
	case (at+1)*1000 < until:
		differ(t, (at+1)*1000, until, "when a state expires, in µs, after requests %v under %v: before its ResetAfter is over", after, l)
	case at > latest:
		differ(t, (at+1)*1000, until, "when a state expires, in µs, after requests %v under %v: long after its ResetAfter is over", after, l)
	}
}
