// Package virtualclock turns a composed script into one that gets the time from its
// caller. It is for tests, because the clock of Redis cannot be set.
package virtualclock

import (
	"fmt"
	"strings"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

const (
	clock = "local clock = redis.call('TIME')\nlocal now = clock[1] * 1000000 + clock[2]\n"
	taken = "local virtual = tonumber(ARGV[#ARGV])\nARGV[#ARGV] = nil\n"
	used  = "local now = virtual\n"

	ttl  = "local ms = math.ceil(reset / 1000) + 2\n"
	long = "local ms = math.ceil(reset / 1000) + %d\n"
)

// Longer is how much longer keys live than they need to.
const Longer = time.Hour

// Script returns s with its clock replaced: the last of ARGV is the time, in µs
// since 1970. Because Redis's own clock does not follow, keys live an hour longer
// than they need to; no answer depends on that, because a state whose time is over
// says the same as none. Nothing else is changed. Script panics if s does not read
// the clock and set a time to live as the harness does.
func Script(s *store.Script) *store.Script {
	source := s.Source()
	if strings.Count(source, clock) != 1 || strings.Count(source, "redis.call('TIME')") != 1 {
		panic(fmt.Sprintf("virtualclock: script %s does not read the clock once, as the harness does", s.Name()))
	}
	if strings.Count(source, ttl) != 1 {
		panic(fmt.Sprintf("virtualclock: script %s does not count the time to live in one place, as the harness does", s.Name()))
	}
	source = taken + strings.Replace(source, clock, used, 1)
	source = strings.Replace(source, ttl, fmt.Sprintf(long, Longer.Milliseconds()), 1)
	return store.NewScript(s.Name()+"@virtual", source)
}
