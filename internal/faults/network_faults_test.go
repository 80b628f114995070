package faults

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
)

// networkFaults are the faults of connections.
var networkFaults = []fault{
	{
		name:     "refused, all connections lost",
		caller:   "the failure mode's answer, at once",
		charged:  "at most once",
		returns:  "when the client has connected",
		classes:  away(ratelimit.ClassRefused, ratelimit.ClassUnavailable),
		defaults: true,
		stage:    onProxy((*redistest.Proxy).Refuse),
	},
	{
		name:     "network parted: nothing arrives, nothing is refused",
		caller:   "the failure mode's answer, by the timeout",
		charged:  "at most once: what was sent may arrive later",
		returns:  "with the first answer",
		classes:  away(ratelimit.ClassTimeout),
		rare:     []ratelimit.ErrorClass{ratelimit.ClassOverloaded},
		defaults: true,
		stage:    onProxy((*redistest.Proxy).Blackhole),
	},
	{
		name:     "replies lost, requests not",
		caller:   "the failure mode's answer, by the timeout",
		charged:  "once, or not at all; what was not answered was charged too",
		returns:  "when the client has connected anew",
		classes:  away(ratelimit.ClassTimeout),
		rare:     []ratelimit.ErrorClass{ratelimit.ClassOverloaded, ratelimit.ClassUnavailable},
		charges:  true,
		defaults: true,
		stage:    onProxy((*redistest.Proxy).MuteReplies),
	},
	{
		name:     "connection lost after the request, before the reply",
		caller:   "the failure mode's answer, at once",
		charged:  "once, or not at all; what was not answered was charged too",
		returns:  "when the client has connected",
		classes:  away(ratelimit.ClassUnavailable),
		charges:  true,
		defaults: true,
		stage:    onProxy(func(p *redistest.Proxy) { p.CutReplies("evalsha") }),
	},
	{
		name:     "slow, 20 ms for a round trip, 10 ms more or less",
		caller:   "Redis's answer",
		charged:  "as answered",
		returns:  "at once",
		answers:  true,
		defaults: true,
		stage:    onProxy(func(p *redistest.Proxy) { p.Delay(10*time.Millisecond, 5*time.Millisecond) }),
	},
	{
		name:     "CLIENT KILL, again and again",
		caller:   "the failure mode's answer, at once, where a connection was lost",
		charged:  "at most once",
		returns:  "when the client has connected",
		classes:  []ratelimit.ErrorClass{ratelimit.ClassUnavailable},
		rare:     away(),
		defaults: true,
		stage: onServer(func(t *testing.T, s *redistest.Server) (begin, end func()) {
			return repeated(20*time.Millisecond, func() { s.MustDo(t, "CLIENT", "KILL", "TYPE", "normal") })
		}),
	},
	{
		name:    "maxclients reached, by others",
		caller:  "the failure mode's answer, at once",
		charged: "at most once",
		returns: "when the client has connected",
		classes: []ratelimit.ErrorClass{ratelimit.ClassUnavailable},
		rare:    away(),
		stage: onServer(func(t *testing.T, s *redistest.Server) (begin, end func()) {
			c, err := net.Dial("tcp", s.Addr())
			require.NoError(t, err)
			t.Cleanup(func() { _ = c.Close() })
			return func() { say(t, c, "CONFIG SET maxclients 1", "CLIENT KILL TYPE normal") },
				func() { say(t, c, "CONFIG SET maxclients 10000") }
		}),
	},
}
