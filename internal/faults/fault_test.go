package faults

import (
	"slices"
	"testing"
	"time"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
)

// fault is one way for Redis to fail, and what the limiter owes meanwhile. Beside
// what is stated here, the runner holds each fault to the promises at [TestFaults].
type fault struct {
	// name is in the first column of docs/failures.md, and, more or less, that of
	// the test.
	name string
	// caller is what a caller sees, and by when; charged is what is taken from
	// identities; returns is how service comes back. They are for docs/failures.md.
	caller, charged, returns string

	// classes are what an observer is told of: these and no others, and each of
	// them by one client at least.
	classes []ratelimit.ErrorClass
	// rare are classes that it may be told of too, depending on chance.
	rare []ratelimit.ErrorClass

	// stage starts the servers. The rest is up to the runner.
	stage func(t *testing.T) *stage

	// answers says that Redis could answer throughout, so it must decide all.
	answers bool
	// cold says that the fault has begun before the client is made.
	cold bool
	// mostly says that Redis decides most calls while the fault lasts.
	mostly bool
	// losses is how many times Redis may forget what it has counted.
	losses int
	// charges says that some of what was not answered must have been charged.
	charges bool
	// defaults says that clients of the libraries' defaults are tried as well.
	defaults bool
	// slow says that the test takes long, so that -short leaves it out.
	slow bool

	// timeout is that of the limiters. The default is defaultTimeout where calls are
	// to time out, and otherwise one that no slow machine needs.
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
	// begin and end are called once each, from one goroutine, while load is on.
	begin, end func()
	// judge is where the charges are counted afterwards, with options but without
	// TLS; the default is url.
	judge string
}

const (
	defaultTimeout = 250 * time.Millisecond
	defaultLasts   = 600 * time.Millisecond
	defaultWithin  = time.Second
	// patience is the timeout where no call is to time out: a slow machine is no
	// fault.
	patience = 10 * time.Second
	// slack is by how much an answer may be late on a machine that is busy with
	// other tests. Timing is measured elsewhere; this tells a limiter that leaves
	// in time from one that waits for its client.
	slack = 5 * time.Second
)

// away is the classes of a Redis that gives no replies at all: the breaker opens.
func away(classes ...ratelimit.ErrorClass) []ratelimit.ErrorClass {
	return append(classes, ratelimit.ClassBreaker)
}

// faults is every fault of one server, each of which gets one of its own.
var faults = slices.Concat(serverFaults, networkFaults, refusalFaults)

// all is every fault.
var all = slices.Concat(faults, clusterFaults(nil), sentinelFaults(nil))
