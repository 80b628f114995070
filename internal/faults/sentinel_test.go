package faults

import (
	"strconv"
	"testing"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
)

func TestSentinel(t *testing.T) {
	needs(t)
	tryOn(t, func(t *testing.T) *redistest.SentinelGroup { return redistest.StartSentinelGroup(t, 1) }, sentinelFaults)
}

// sentinelFaults returns the faults of a master that sentinels replace.
func sentinelFaults(g *redistest.SentinelGroup) []fault {
	on := func(fault func(t *testing.T, old *redistest.Server) (begin, end func())) func(*testing.T) *stage {
		return func(t *testing.T) *stage {
			old := g.Master()
			old.MustDo(t, "FLUSHALL")
			for _, server := range g.Servers {
				if server != old {
					server.AwaitReplica(t)
				}
			}
			begin, end := fault(t, old)
			return &stage{url: g.URL(), options: driver.Options{Sentinel: true, MasterName: g.Name}, begin: begin, end: end}
		}
	}
	return []fault{
		{
			name:     "Sentinel: the master killed, a replica promoted",
			caller:   "the failure mode's answer, at once",
			charged:  "at most once; what was not replicated is forgotten",
			returns:  "when the client has connected to the new master",
			classes:  away(ratelimit.ClassRefused),
			rare:     []ratelimit.ErrorClass{ratelimit.ClassUnavailable, ratelimit.ClassTimeout, ratelimit.ClassOverloaded},
			losses:   1,
			timeout:  defaultTimeout,
			defaults: true,
			stage: on(func(t *testing.T, old *redistest.Server) (begin, end func()) {
				t.Cleanup(func() {
					old.Restart()
					g.AwaitRejoined(t, old)
				})
				return old.Kill, func() { g.AwaitMasterOtherThan(t, old) }
			}),
		},
		{
			name:    "Sentinel: the master hung until a replica is promoted, then back as a replica",
			caller:  "the failure mode's answer, by the timeout",
			charged: "at most once; what was not replicated is forgotten",
			returns: "when the client has connected to the new master",
			classes: away(ratelimit.ClassTimeout),
			rare:    []ratelimit.ErrorClass{ratelimit.ClassUnavailable, ratelimit.ClassOverloaded, ratelimit.ClassRefused},
			losses:  1,
			timeout: defaultTimeout,
			stage: on(func(t *testing.T, old *redistest.Server) (begin, end func()) {
				return old.Pause, func() {
					g.AwaitMasterOtherThan(t, old)
					old.Resume()
					g.AwaitRejoined(t, old)
				}
			}),
		},
		{
			name:    "Sentinel: SENTINEL FAILOVER, as before maintenance",
			caller:  "Redis's answer; the failure mode's where a connection was lost",
			charged: "at most once; what was taken on the old master until the sentinels tell of the new one is forgotten",
			returns: "when the client has connected to the new master",
			rare:    away(ratelimit.ClassUnavailable, ratelimit.ClassTimeout, ratelimit.ClassOverloaded),
			losses:  1,
			timeout: defaultTimeout,
			stage: on(func(t *testing.T, old *redistest.Server) (begin, end func()) {
				return func() { g.Sentinels[0].MustDo(t, "SENTINEL", "FAILOVER", g.Name) }, func() {
					g.AwaitMasterOtherThan(t, old)
					g.AwaitRejoined(t, old)
				}
			}),
		},
		{
			name:    "Sentinel: the master made a replica under its clients",
			caller:  "the failure mode's answer, at once (READONLY), or by the timeout: go-redis connects anew each time",
			charged: "nothing meanwhile",
			returns: "when the sentinels have found a master, and the client has connected to it",
			classes: []ratelimit.ErrorClass{ratelimit.ClassUnavailable},
			rare:    away(ratelimit.ClassTimeout, ratelimit.ClassOverloaded),
			losses:  1,
			timeout: defaultTimeout,
			stage: on(func(t *testing.T, old *redistest.Server) (begin, end func()) {
				return func() {
						for _, server := range g.Servers {
							if server != old {
								old.MustDo(t, "REPLICAOF", "127.0.0.1", port(server))
								return
							}
						}
					}, func() {
						g.AwaitMasterOtherThan(t, old)
						g.AwaitRejoined(t, old)
					}
			}),
		},
	}
}

func port(s *redistest.Server) string { return strconv.Itoa(s.Port()) }
