package conformance

import (
	"errors"
	"strings"
	"testing"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// hide stands before an algorithm's Lua: what the Lua is not to use is gone.
const hide = "local redis, KEYS, ARGV, now, clock, os = nil, nil, nil, nil, nil, nil\n" +
	"local math = {floor = math.floor, ceil = math.ceil, min = math.min, max = math.max, abs = math.abs, fmod = math.fmod, huge = math.huge}\n"

func isolated(t testing.TB, s *subject) {
	st, space := s.Open(t), newKeyspace()
	for _, l := range s.limits {
		// What the virtual clock goes by, and what a decision alone may do.
		for _, word := range []string{"redis.call('TIME')", "'PX'"} {
			if strings.Contains(l.Lua, word) {
				differ(t, "it has", "that it has not", "whether the Lua of %v has %q in it, which is the harness's", l, word)
			}
		}
		// Two limits together stand in blocks of their own, so that what is hidden
		// from the first is there for the harness.
		hidden := *l.Plan
		hidden.Lua = hide + l.Lua
		program, err := algorithm.Compose(&hidden, l.Plan)
		if err != nil {
			differ(t, err, "no error", "Compose of %v", l)
		}
		keys := space.keys(2)
		now := int64(1_790_000_000_123_457)
		for _, state := range []string{"", "garbage"} {
			plant(t, st, keys[0], stored{text: state})
			for range 3 {
				reply := decide(t, st, program, keys, now, request{1, 0}, request{1, 1}, request{0, 0}, request{0, 1}, request{l.Limit, 0}, request{l.Limit, 1})
				for i := range 3 {
					// A wrong answer is another check's.
					if _, err := program.Outcome(reply, i, 0); errors.Is(err, algorithm.ErrFailed) {
						differ(t, err, "no error", "request %d under %v with redis, KEYS, ARGV, os and math.random hidden from its Lua", i, l)
					}
				}
				now = min(dusk, now+l.refill()/2)
			}
		}
	}
}
