// Package conformance proves stores and algorithms: it is the first test that
// the author of either runs, and often the only one that is needed.
//
//	func TestConformance(t *testing.T) {
//		conformance.TestStore(t, conformance.Harness{
//			Open: func(t testing.TB) store.Store { return mystore.New(redisURL) },
//		})
//	}
//
// [TestStore] checks a store's own contract, clause by clause, and then every
// algorithm of this module on it. [TestAlgorithm] checks algorithms: that the
// Lua and the Go of one are the same function, that the function keeps the laws
// of package algorithm, and that what Redis decides by it is right under
// concurrency.
//
// A failure is a fault: there are no false alarms, with one exception. The
// server's clock must not be set back while the suite runs (but for the less than a
// millisecond of Valkey 9, which is borne). A pass is no proof; much is drawn at
// random, and more of it is drawn with
//
//	go test -rapid.checks=20000
//
// (100 is the default). README.md lists the mutants, stores and algorithms that
// are broken on purpose, by which the suite is itself tested.
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

// Harness is how the suite gets at what it tests. Only Open is required. A check
// that needs a func which is nil is skipped, and says which.
//
// The Redis behind it may be in use: the suite keeps to keys of its own, which
// expire, and deletes nothing else.
type Harness struct {
	// Open returns a Store, to be closed by t.Cleanup if at all. It is called
	// several times, also in one test: all Stores of a Harness share one Redis.
	Open func(t testing.TB) store.Store

	// OpenDial is like Open, and the Store's client makes its connections by
	// dial. With it the suite loses replies on their way.
	OpenDial func(t testing.TB, dial Dial) store.Store

	// FlushScripts has the Redis forget its scripts, by SCRIPT FLUSH, on every
	// node there is.
	FlushScripts func(t testing.TB)
}

// Dial is the func of a [net.Dialer] that most clients can be given.
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

// TestAlgorithm tests algorithms on h's Stores. Give several limits of each, as
// different as they come: limits of one Plan.Name are also tested as one limit
// that is changed under way. Small limits with short periods are tested best,
// along with large ones.
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

// builtIn are the algorithms of this module, each quick, slow and odd.
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

// limit is an algorithm that was compiled.
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

// kinds groups limits by the names of their algorithms, in order.
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
