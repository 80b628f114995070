package faults

import (
	"slices"
	"testing"
	"time"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
)

// fault is one way in which Redis fails, and what the limiter owes meanwhile. Besides what a
// fault states, the runner checks that the promises at [TestFaults] are kept.
type fault struct {
	// name is what the fault is called in the first column of docs/failures.md, and, more or
	// less, in the name of its test.
	name string
	// caller is what a caller sees, and by when; charged is what is taken from identities;
	// returns is how service comes back. All three are text for docs/failures.md.
	caller, charged, returns string

	// classes are the error classes that observers are told of: no others (but the rare ones),
	// and each of them with at least one client.
	classes []ratelimit.ErrorClass
	// rare are classes that observers may be told of too, by chance.
	rare []ratelimit.ErrorClass

	// stage starts the servers. The runner does the rest.
	stage func(t *testing.T) *stage

	// answers says that Redis could answer throughout, so that it must decide every call.
	answers bool
	// cold says that the fault begins before the client is made.
	cold bool
	// mostly says that Redis decides most calls while the fault lasts.
	mostly bool
	// losses is how many times Redis may forget what it has counted.
	losses int
	// charges says that some calls that got no answer must have been charged.
	charges bool
	// defaults says that clients with their libraries' default settings are tried as well.
	defaults bool
	// slow says that the test takes long, so that -short leaves it out.
	slow bool

	// timeout is the limiters' timeout. The default is defaultTimeout if calls are expected to
	// time out, and otherwise patience, which even a slow machine does not need.
	timeout time.Duration
	parties []party       // who calls; the default is parties
	lasts   time.Duration // how long the fault lasts; the default is defaultLasts
	within  time.Duration // in which service returns; the default is defaultWithin
}

// stage is the Redis of a fault, ready.
type stage struct {
	// url and options are what clients open.
	url     string
	options driver.Options
	// begin and end begin and end the fault. Each is called once, both on one goroutine. There
	// is load in between.
	begin, end func()
	// judge is the URL at which the charges are counted afterwards, with options but without
	// TLS. The default is url.
	judge string
}

const (
	defaultTimeout = 250 * time.Millisecond
	defaultLasts   = 600 * time.Millisecond
	defaultWithin  = time.Second
	// patience is the timeout if no call is to time out: a slow machine is not a fault.
	patience = 10 * time.Second
	// slack is how late an answer may be on a machine that is busy with other tests. Timing is
	// measured elsewhere; slack only tells a limiter that leaves in time from one that waits
	// for its client.
	slack = 5 * time.Second
)

// away returns the classes of a Redis that gives no replies at all: those given, and that of
// an open breaker.
func away(classes ...ratelimit.ErrorClass) []ratelimit.ErrorClass {
	return append(classes, ratelimit.ClassBreaker)
}

// faults is every fault of a single server. Each is tried on a server of its own.
var faults = slices.Concat(serverFaults, networkFaults, refusalFaults)

// all is every fault.
var all = slices.Concat(faults, clusterFaults(nil), sentinelFaults(nil))
