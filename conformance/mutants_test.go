package conformance

import (
	"flag"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
)

// mutant is a store or an algorithm that is broken on purpose.
type mutant struct {
	name   string
	broken string // what is broken, in a sentence
	caught string // the check that is the first to fail, in the suite's order

	// open makes the broken Store; it is nil where the algorithm is what is broken.
	open func(parts) store.Store
	// limits are those that the checks of algorithms are tried with. If there are none, the
	// checks of stores are tried.
	limits []algorithm.Algorithm

	// twice says that the Lua is broken in the same way as Step, so that Model passes.
	twice bool
	// onRedis says why the fault does not show on an embedded Redis; "" if it does.
	onRedis string
}

// mutants returns all mutants, in the order of the suite.
func mutants() []mutant {
	return slices.Concat(
		runMutants, keyMutants, replyMutants, errorMutants, contextMutants, memoryMutants, concurrentMutants, partitionMutants, acrossMutants,
		planMutants, lawMutants, ownMutants, textsMutants, isolatedMutants, luaMutants, harnessMutants, clockMutants, decisionMutants, jointMutants,
	)
}

// checks returns the checks that m is tried with.
func (m mutant) checks() []check {
	if len(m.limits) == 0 {
		return storeChecks
	}
	return slices.Concat(algorithmChecks, jointChecks)
}

// TestMutants tests the suite as README.md describes it: each mutant must pass all checks
// before the one that is to catch it, and fail that one.
func TestMutants(t *testing.T) {
	if testing.Short() {
		t.Skip("-short draws too few cases to catch every mutant: run without it")
	}
	redistest.WithoutRace(t, "-race makes some 200 suites ten times as slow, and finds nothing in what is broken on purpose")
	t.Run("Redis", func(t *testing.T) { redistest.Binary(t) }) // if there is no redis-server, says why
	setFlag(t, "rapid.nofailfile", "true")
	setFlag(t, "rapid.shrinktime", "300ms")
	if flag.Lookup("rapid.seed").Value.String() == "0" {
		// Otherwise a mutant would, once in a while, fail an earlier check than the one that
		// is to catch it.
		setFlag(t, "rapid.seed", "1")
	}
	t.Setenv("TMPDIR", t.TempDir()) // where pictures of histories go
	enduring = 8 * time.Second
	t.Cleanup(func() { enduring = patience }) // once the parallel tests are over
	for _, m := range mutants() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			m.test(t)
		})
	}
}

func (m mutant) test(t *testing.T) {
	if m.onRedis != "" && !redistest.Available() {
		t.Skip("needs a redis-server: " + m.onRedis)
	}
	s := m.subject(t)
	for _, c := range m.checks() {
		r := record(t, c, s)
		// Concurrency is a matter of chance: on a slow machine a fault may not show at once.
		for again := 0; c.name == m.caught && !r.Failed() && again < 3; again++ {
			r = record(t, c, s)
		}
		switch {
		case c.name != m.caught && r.Failed():
			t.Fatalf("%s catches %s, before %s can:\n%s", c.name, m.name, m.caught, r.output())
		case c.name != m.caught:
			continue
		case !r.Failed():
			t.Fatalf("%s does not catch %s: %s\n%s", c.name, m.name, m.broken, r.output())
		}
		t.Logf("%s\n%s", m.broken, r.output())
		break
	}
	if !m.twice {
		return
	}
	for _, c := range algorithmChecks {
		if c.name != "Model" {
			continue
		}
		if r := record(t, c, s); r.Failed() {
			t.Fatalf("the Lua of %s is not broken as its Step is:\n%s", m.name, r.output())
		}
	}
}

// subject returns the subject of m's checks. It has a Redis of its own, since some checks keep
// Redis busy.
func (m mutant) subject(t *testing.T) *subject {
	addr, open := startOne(t), m.open
	if open == nil {
		open = parts.good
	}
	s := &subject{Harness: Harness{
		Open: func(tb testing.TB) store.Store { return open(parts{TB: tb, addr: addr, end: t.Context().Done()}) },
		OpenDial: func(tb testing.TB, dial Dial) store.Store {
			return open(parts{TB: tb, addr: addr, dial: dial, end: t.Context().Done()})
		},
		FlushScripts: func(tb testing.TB) {
			require.NoError(tb, parts{TB: tb, addr: addr}.client().ScriptFlush(tb.Context()).Err())
		},
	}}
	if len(m.limits) > 0 {
		s.limits = compile(t, m.limits)
	}
	return s
}

// TestEdits: the text that a mutant replaces is in a script of its limits. If the script were
// rewritten without it, the mutant would not be broken any more, and would say nothing about
// the check that is to catch it.
func TestEdits(t *testing.T) {
	for _, m := range mutants() {
		if m.open == nil || len(m.limits) == 0 {
			continue
		}
		e, ok := m.open(parts{TB: t, addr: "localhost:0"}).(editing) // this does not connect
		if !ok {
			continue
		}
		var sources []string
		for _, l := range compile(t, m.limits) {
			twice, err := algorithm.Compose(l.Plan, l.Plan)
			require.NoError(t, err)
			sources = append(sources, l.program.Script().Source(), twice.Script().Source())
		}
		require.True(t, slices.ContainsFunc(sources, func(source string) bool {
			_, ok := e.edit(source)
			return ok
		}), "%s replaces %q, and no script of its limits has all of these", m.name, e.pairs)
	}
}

// startOne starts a redis-server, or an embedded Redis where there is none, and
// returns its address.
func startOne(t *testing.T) string {
	if redistest.Available() {
		return redistest.Start(t).Addr()
	}
	r, err := embedded.Start()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r.Addr()
}

// setFlag sets a flag until the end of the test.
func setFlag(t *testing.T, name, value string) {
	before := flag.Lookup(name).Value.String()
	require.NoError(t, flag.Set(name, value))
	t.Cleanup(func() { require.NoError(t, flag.Set(name, before)) })
}

// tokenBuckets are the limits of most mutants. Under all but the last, states live long enough
// for a check to look at them.
var tokenBuckets = []algorithm.Algorithm{
	bucket(100, 24*time.Hour, 0),
	bucket(1000, time.Hour, 10),
	bucket(7, 1000*time.Second, 3),
	bucket(999_983, time.Second, 5),
}
