// Package conformance tests stores and algorithms against their contracts. It is the
// first test that the author of either should run, and often the only one needed.
//
//	func TestConformance(t *testing.T) {
//		conformance.TestStore(t, conformance.Harness{
//			Open: func(t testing.TB) store.Store { return mystore.New(redisURL) },
//		})
//	}
//
// [TestStore] checks the contract of a store, clause by clause, and then tests every
// algorithm of this module on it. [TestAlgorithm] checks that the Lua and the Go of an
// algorithm are the same function, that this function keeps the rules of package
// algorithm, and that the decisions that Redis makes with it are right under concurrency.
//
// A failure shows a fault, with one exception: the suite may fail without a fault if the
// server's clock is set back while it runs. (Valkey 9 sets its clock back by less than a
// millisecond, which the suite tolerates.) A pass is no proof, because many cases are
// drawn at random, by default 100 for each check. To draw more, use
//
//	go test -rapid.checks=20000
//
// The suite is itself tested with mutants, which are stores and algorithms that are broken
// on purpose. README.md lists them.
package conformance

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/slidingwindow"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// Harness gives the suite access to what it tests. Only Open is required. A check that
// needs a func that is nil is skipped, and says which func it needs. If only a part of a check
// needs it, that part is left out, and the check's log says so.
//
// The Redis behind it may be in use: the suite uses only keys of its own, which expire,
// and deletes no others.
type Harness struct {
	// Open returns a Store. If the Store needs closing, close it by t.Cleanup. Open is
	// called several times, even within one test. All Stores of a Harness must share one
	// Redis.
	Open func(t testing.TB) store.Store

	// OpenDial is like Open, but the Store's client must make its connections with dial.
	// With it the suite loses replies in transit and makes connections fail.
	OpenDial func(t testing.TB, dial Dial) store.Store

	// FlushScripts makes the Redis forget its scripts, by SCRIPT FLUSH on every node.
	FlushScripts func(t testing.TB)
}

// flush calls FlushScripts, and reports whether it could. If FlushScripts is nil, flush logs
// that the check leaves something out.
func (h *Harness) flush(t testing.TB) bool {
	if h.FlushScripts == nil {
		t.Log("Harness.FlushScripts is nil: set it to test also that the server may forget the script meanwhile")
		return false
	}
	h.FlushScripts(t)
	return true
}

// Dial is a func like [net.Dialer.DialContext]. Most clients accept one.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// TestStore tests that h's Stores keep the contract of [store.Store], and then
// tests every algorithm of this module on them.
func TestStore(t *testing.T, h Harness) {
	t.Helper()
	h.require(t)
	s := &subject{Harness: h}
	for _, c := range storeChecks {
		t.Run(c.name, func(t *testing.T) { c.try(t, s) })
	}
	TestAlgorithm(t, h, builtIn...)
}

// TestAlgorithm tests algorithms on h's Stores. Give several limits of each algorithm, as
// different from one another as possible: limits with the same Plan.Name are also tested
// as one limit that is changed while its keys live. Give large limits, but also small ones
// with short periods, which are tested best.
func TestAlgorithm(t *testing.T, h Harness, algorithms ...algorithm.Algorithm) {
	t.Helper()
	h.require(t)
	all := compile(t, algorithms)
	for _, kind := range kinds(all) {
		t.Run(kind[0].Name, func(t *testing.T) {
			for _, c := range algorithmChecks {
				t.Run(c.name, func(t *testing.T) { c.try(t, &subject{Harness: h, limits: kind}) })
			}
		})
	}
	for _, c := range jointChecks {
		t.Run(c.name, func(t *testing.T) { c.try(t, &subject{Harness: h, limits: all}) })
	}
}

func (h Harness) require(t testing.TB) {
	t.Helper()
	if h.Open == nil {
		t.Fatal("conformance: Harness.Open is nil: it is the one hook that is required")
	}
}

// builtIn are limits of the algorithms of this module: quick, slow and odd ones of each.
var builtIn = []algorithm.Algorithm{
	tokenbucket.Limit{Rate: 100, Period: 24 * time.Hour},
	tokenbucket.Limit{Rate: 1000, Period: time.Second, Burst: 10},
	tokenbucket.Limit{Rate: 7, Period: 700 * time.Millisecond, Burst: 3},
	tokenbucket.Limit{Rate: 999_983, Period: time.Second, Burst: 5},
	slidingwindow.Limit{Rate: 100, Period: 24 * time.Hour},
	slidingwindow.Limit{Rate: 10, Period: 10 * time.Millisecond},
	slidingwindow.Limit{Rate: 7, Period: 700_001 * time.Microsecond},
	slidingwindow.Limit{Rate: 20_000, Period: time.Hour},
	slidingwindow.Log{Rate: 100, Period: 24 * time.Hour},
	slidingwindow.Log{Rate: 10, Period: 10 * time.Millisecond},
	slidingwindow.Log{Rate: 3, Period: 700 * time.Millisecond},
}

// limit is a compiled algorithm.
type limit struct {
	*algorithm.Plan
	from    algorithm.Algorithm
	program *algorithm.Program
}

func compile(t testing.TB, algorithms []algorithm.Algorithm) []limit {
	t.Helper()
	if len(algorithms) == 0 {
		t.Fatal("conformance: no algorithm to test")
	}
	limits := make([]limit, len(algorithms))
	for i, a := range algorithms {
		plan, err := a.Compile()
		if err != nil {
			t.Fatalf("conformance: Compile of %#v: %v", a, err)
		}
		program, err := algorithm.Compose(plan)
		if err != nil {
			t.Fatalf("conformance: Compose of %#v: %v", a, err)
		}
		limits[i] = limit{plan, a, program}
	}
	return limits
}

// kinds groups limits by the names of their algorithms, in order of appearance.
func kinds(limits []limit) (groups [][]limit) {
	place := map[string]int{}
	for _, l := range limits {
		i, ok := place[l.Name]
		if !ok {
			i = len(groups)
			place[l.Name] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], l)
	}
	return groups
}
