package faults

import (
	"testing"
	"time"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
)

// serverFaults are those of the process of Redis, and of what is done to it.
var serverFaults = []fault{
	{
		name:     "hung for longer than the timeout",
		caller:   "the failure mode's answer, by the timeout",
		charged:  "at most once: what was sent is run when Redis wakes up",
		returns:  "with the first answer",
		classes:  away(ratelimit.ClassTimeout),
		rare:     []ratelimit.ErrorClass{ratelimit.ClassOverloaded},
		defaults: true,
		stage:    onServer(func(t *testing.T, s *redistest.Server) (begin, end func()) { return s.Pause, s.Resume }),
	},
	{
		name:     "hung for less than the timeout",
		caller:   "Redis's answer, late",
		charged:  "as answered",
		returns:  "at once",
		answers:  true,
		defaults: true,
		lasts:    400 * time.Millisecond,
		stage:    onServer(func(t *testing.T, s *redistest.Server) (begin, end func()) { return s.Pause, s.Resume }),
	},
	{
		name:     "killed, and restarted empty",
		caller:   "the failure mode's answer, at once",
		charged:  "at most once; Redis forgets all, so each identity starts afresh",
		returns:  "when the client has connected",
		classes:  away(ratelimit.ClassRefused, ratelimit.ClassUnavailable),
		rare:     []ratelimit.ErrorClass{ratelimit.ClassTimeout, ratelimit.ClassOverloaded},
		losses:   1,
		defaults: true,
		stage:    onServer(func(t *testing.T, s *redistest.Server) (begin, end func()) { return s.Kill, s.Restart }),
	},
	{
		name:    "SCRIPT FLUSH, again and again",
		caller:  "Redis's answer, after one more round trip",
		charged: "as answered",
		returns: "at once",
		answers: true,
		stage: onServer(func(t *testing.T, s *redistest.Server) (begin, end func()) {
			return repeated(5*time.Millisecond, func() { s.MustDo(t, "SCRIPT", "FLUSH") })
		}),
	},
	{
		name:     "CLIENT KILL, again and again",
		caller:   "the failure mode's answer, at once, where a connection was lost",
		charged:  "at most once",
		returns:  "with the next connection",
		classes:  []ratelimit.ErrorClass{ratelimit.ClassUnavailable},
		rare:     []ratelimit.ErrorClass{ratelimit.ClassTimeout, ratelimit.ClassOverloaded}, // go-redis waits before it dials again
		defaults: true,
		stage: onServer(func(t *testing.T, s *redistest.Server) (begin, end func()) {
			return repeated(20*time.Millisecond, func() { s.MustDo(t, "CLIENT", "KILL", "TYPE", "normal") })
		}),
	},
}
