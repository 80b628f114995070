package faults

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
)

func pause(_ *testing.T, s *redistest.Server) (begin, end func()) { return s.Pause, s.Resume }

func kill(_ *testing.T, s *redistest.Server) (begin, end func()) { return s.Kill, s.Restart }

// serverFaults are the faults of the Redis process, and of its scripts.
var serverFaults = []fault{
	{
		name:     "hung for longer than the timeout",
		caller:   "the failure mode's answer, by the timeout",
		charged:  "at most once: what was sent is run when Redis wakes up",
		returns:  "with the first answer",
		classes:  away(ratelimit.ClassTimeout),
		rare:     []ratelimit.ErrorClass{ratelimit.ClassOverloaded},
		defaults: true,
		stage:    onServer(pause),
	},
	{
		name:     "hung for less than the timeout",
		caller:   "Redis's answer, late",
		charged:  "as answered",
		returns:  "at once",
		answers:  true,
		defaults: true,
		lasts:    400 * time.Millisecond,
		stage:    onServer(pause),
	},
	{
		name:     "killed, and restarted empty",
		caller:   "the failure mode's answer, at once",
		charged:  "at most once; Redis has forgotten all, so each identity starts afresh",
		returns:  "when the client has connected",
		classes:  away(ratelimit.ClassRefused, ratelimit.ClassUnavailable),
		losses:   1,
		defaults: true,
		stage:    onServer(kill),
	},
	{
		name:    "down when the service starts",
		caller:  "the failure mode's answer, at once",
		charged: "nothing",
		returns: "when the client has connected",
		classes: away(ratelimit.ClassRefused),
		cold:    true,
		stage:   onServer(kill),
	},
	{
		name:    "restarted with its data, and loading it",
		caller:  "the failure mode's answer: at once, or by the timeout while Redis reads and does not listen",
		charged: "at most once; what was charged before still is",
		returns: "when all is loaded",
		classes: away(ratelimit.ClassRefused, ratelimit.ClassUnavailable),
		slow:    true,
		stage: onServer(func(t *testing.T, s *redistest.Server) (begin, end func()) {
			s.MustDo(t, "EVAL", "for i = 1, 10000 do redis.call('SET', 'filler' .. i, i) end", "0")
			loaded := make(chan struct{})
			return func() {
				s.Kill()
				go func() {
					defer close(loaded)
					s.Restart()
				}()
			}, func() { <-loaded }
		}, "--appendonly", "yes", "--appendfsync", "no", // the kernel has the data before the reply is sent, which is enough here
			"--aof-use-rdb-preamble", "no", "--key-load-delay", "50"), // µs
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
		name:    "SCRIPT KILL, again and again",
		caller:  "Redis's answer: only a script of seconds can be killed",
		charged: "as answered",
		returns: "at once",
		answers: true,
		stage: onServer(func(t *testing.T, s *redistest.Server) (begin, end func()) {
			return repeated(5*time.Millisecond, func() {
				_, err := s.Do("SCRIPT", "KILL")
				require.ErrorContains(t, err, "NOTBUSY")
			})
		}),
	},
	{
		name:    "busy with a script of another client's, for seconds",
		caller:  "the failure mode's answer: by the timeout at first, at once when Redis says that it is busy (after 5 s by default)",
		charged: "at most once",
		returns: "when the script ends, or is killed",
		classes: away(ratelimit.ClassTimeout, ratelimit.ClassUnavailable),
		rare:    []ratelimit.ErrorClass{ratelimit.ClassOverloaded},
		lasts:   time.Second,
		stage: onServer(func(t *testing.T, s *redistest.Server) (begin, end func()) {
			killed := make(chan error, 1)
			return func() {
					go func() {
						_, err := s.Do("EVAL", "while true do end", "0")
						killed <- err
					}()
				}, func() {
					s.MustDo(t, "SCRIPT", "KILL")
					require.ErrorContains(t, <-killed, "killed")
				}
		}, "--lua-time-limit", "500"),
	},
}
