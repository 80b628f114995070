package faults

import (
	"testing"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
)

var (
	unavailable = []ratelimit.ErrorClass{ratelimit.ClassUnavailable}
	denied      = []ratelimit.ErrorClass{ratelimit.ClassDenied}
)

// refusalFaults are the faults of a Redis that answers but refuses, or that its client
// refuses.
var refusalFaults = []fault{
	{
		name:    "out of memory (maxmemory, noeviction)",
		caller:  "the failure mode's answer, at once",
		charged: "nothing",
		returns: "at once",
		classes: unavailable,
		stage:   onServer(commands([][]string{{"CONFIG", "SET", "maxmemory", "1"}}, [][]string{{"CONFIG", "SET", "maxmemory", "0"}})),
	},
	{
		name:    "read-only: it is a replica now",
		caller:  "the failure mode's answer, at once",
		charged: "nothing",
		returns: "at once",
		classes: unavailable,
		stage:   onServer(commands([][]string{{"REPLICAOF", "127.0.0.1", "1"}}, [][]string{{"REPLICAOF", "NO", "ONE"}})),
	},
	{
		name:    "a replica that has lost its master and serves no stale data",
		caller:  "the failure mode's answer, at once",
		charged: "nothing",
		returns: "at once",
		classes: unavailable,
		stage: onServer(commands([][]string{{"REPLICAOF", "127.0.0.1", "1"}}, [][]string{{"REPLICAOF", "NO", "ONE"}}),
			"--replica-serve-stale-data", "no"),
	},
	{
		name:    "too few replicas (min-replicas-to-write)",
		caller:  "the failure mode's answer, at once",
		charged: "nothing",
		returns: "at once",
		classes: unavailable,
		stage: onServer(commands([][]string{{"CONFIG", "SET", "min-replicas-to-write", "1"}},
			[][]string{{"CONFIG", "SET", "min-replicas-to-write", "0"}})),
	},
	{
		name:    "ACL: the user may not run scripts",
		caller:  "the failure mode's answer, at once",
		charged: "nothing",
		returns: "at once",
		classes: denied,
		stage:   asUser(commands([][]string{{"ACL", "SETUSER", user, "-@scripting"}}, [][]string{{"ACL", "SETUSER", user, "+@scripting"}})),
	},
	{
		name:    "ACL: the user may not do what the script does",
		caller:  "the failure mode's answer, at once",
		charged: "nothing",
		returns: "at once",
		classes: denied,
		stage:   asUser(commands([][]string{{"ACL", "SETUSER", user, "-psetex"}}, [][]string{{"ACL", "SETUSER", user, "+psetex"}})),
	},
	{
		name:    "wrong password, from the start",
		caller:  "the failure mode's answer, at once",
		charged: "nothing",
		returns: "when the client has connected",
		classes: denied,
		cold:    true,
		stage: asUser(commands([][]string{{"ACL", "SETUSER", user, "resetpass", ">other"}},
			[][]string{{"ACL", "SETUSER", user, ">secret"}})),
	},
	{
		name:    "password changed, and connections lost",
		caller:  "the failure mode's answer, at once",
		charged: "at most once",
		returns: "when the client has connected",
		classes: []ratelimit.ErrorClass{ratelimit.ClassDenied},
		rare:    away(ratelimit.ClassUnavailable),
		stage: asUser(commands([][]string{{"ACL", "SETUSER", user, "resetpass", ">other"}, {"CLIENT", "KILL", "USER", user}},
			[][]string{{"ACL", "SETUSER", user, ">secret"}})),
	},
	{
		name:    "none: TLS, with a certificate of a known authority",
		caller:  "Redis's answer",
		charged: "as answered",
		returns: "–",
		answers: true,
		stage: overTLS(func(*testing.T, *redistest.Server, *redistest.Authority) (begin, end func()) {
			return func() {}, func() {}
		}),
	},
	{
		name:    "TLS: the certificate is now one of an unknown authority, and connections are lost",
		caller:  "the failure mode's answer, at once",
		charged: "at most once",
		returns: "when the client has connected",
		classes: away(ratelimit.ClassUnavailable),
		stage: overTLS(func(t *testing.T, s *redistest.Server, authority *redistest.Authority) (begin, end func()) {
			use := func(c redistest.Certificate) []string {
				return []string{"CONFIG", "SET", "tls-cert-file", c.CertFile, "tls-key-file", c.KeyFile}
			}
			return commands([][]string{use(redistest.NewAuthority(t).Issue(t)), {"CLIENT", "KILL", "TYPE", "normal"}},
				[][]string{use(authority.Issue(t))})(t, s)
		}),
	},
}
