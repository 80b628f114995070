//go:build soak

package faults

import (
	"flag"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
)

var soakTime = flag.Duration("faults.soak", 10*time.Minute, "how long TestSoak lasts, for both drivers together")

// soaked are the faults of the soak: of a server that keeps its data, and of the proxy before
// it. Each may begin again after it has ended.
var soaked = []struct {
	name string
	make func(t *testing.T, s *redistest.Server, p *redistest.Proxy) (begin, end func())
}{
	{"hung", byServer(pause)},
	{"killed", byServer(kill)},
	{"SCRIPT FLUSH", byServer(func(t *testing.T, s *redistest.Server) (begin, end func()) {
		return repeated(10*time.Millisecond, func() { s.MustDo(t, "SCRIPT", "FLUSH") })
	})},
	{"CLIENT KILL", byServer(func(t *testing.T, s *redistest.Server) (begin, end func()) {
		return repeated(50*time.Millisecond, func() { s.MustDo(t, "CLIENT", "KILL", "TYPE", "normal") })
	})},
	{"out of memory", byServer(commands([][]string{{"CONFIG", "SET", "maxmemory", "1"}}, [][]string{{"CONFIG", "SET", "maxmemory", "0"}}))},
	{"read-only", byServer(commands([][]string{{"REPLICAOF", "127.0.0.1", "1"}}, [][]string{{"REPLICAOF", "NO", "ONE"}}))},
	{"password changed", byServer(commands([][]string{{"ACL", "SETUSER", user, "resetpass", ">other"}, {"CLIENT", "KILL", "USER", user}},
		[][]string{{"ACL", "SETUSER", user, ">secret"}}))},
	{"refused", byProxy((*redistest.Proxy).Refuse)},
	{"parted", byProxy((*redistest.Proxy).Blackhole)},
	{"replies lost", byProxy((*redistest.Proxy).MuteReplies)},
	{"replies cut", byProxy(func(p *redistest.Proxy) { p.CutReplies("evalsha") })},
	{"slow", byProxy(func(p *redistest.Proxy) { p.Delay(10*time.Millisecond, 5*time.Millisecond) })},
}

func byServer(fault func(*testing.T, *redistest.Server) (func(), func())) func(*testing.T, *redistest.Server, *redistest.Proxy) (func(), func()) {
	return func(t *testing.T, s *redistest.Server, _ *redistest.Proxy) (func(), func()) { return fault(t, s) }
}

func byProxy(fault func(*redistest.Proxy)) func(*testing.T, *redistest.Server, *redistest.Proxy) (func(), func()) {
	return func(_ *testing.T, _ *redistest.Server, p *redistest.Proxy) (func(), func()) {
		return func() { fault(p) }, p.Heal
	}
}

// TestSoak has faults, chosen by chance, happen to one load, one after the other, and checks
// the promises of [TestFaults].
func TestSoak(t *testing.T) {
	for _, c := range clients {
		if !c.defaults {
			t.Run(c.name, func(t *testing.T) { soak(t, c, *soakTime/2) })
		}
	}
}

func soak(t *testing.T, c client, lasts time.Duration) {
	// The data that a restart brings back does not include what ACL SETUSER has set, so the
	// user is an argument.
	s := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "no",
		"--user", user, "on", ">secret", "~*", "allchannels", "+@all")
	p := redistest.StartProxy(t, s.Addr())
	st := &stage{url: "redis://" + user + ":secret@" + p.Addr(), judge: s.URL()}
	heap, goroutines := used()
	var store opened
	var l *load
	labelled(t.Name(), func() {
		var err error
		store, err = c.open(st.url, driver.Options{})
		require.NoError(t, err)
		l = startLoad(t, store, defaultTimeout, parties)
	})
	l.awaitNormal(time.Now())
	var longestAway time.Duration
	happened := map[string]int{}
	for end := time.Now().Add(lasts); time.Now().Before(end) && !t.Failed(); {
		fault := soaked[rand.N(len(soaked))]
		happened[fault.name]++
		begin, finish := fault.make(t, s, p)
		begin()
		<-time.After(100*time.Millisecond + rand.N(1500*time.Millisecond))
		finish()
		away := l.awaitNormal(time.Now()).first
		if limit := defaultWithin + slack; away > limit {
			t.Errorf("after %s service returned in %v, not within %v", fault.name, away, limit)
		}
		longestAway = max(longestAway, away)
		<-time.After(rand.N(2 * time.Second))
	}
	l.stop()
	require.NoError(t, store.Close())
	checkGoroutines(t, t.Name())

	total := l.total()
	charged, unanswered := l.checkCharges(t, &fault{}, st)
	for _, wrong := range total.wrong {
		t.Error(wrong)
	}
	for class, n := range total.classes {
		if !slices.ContainsFunc(faults, func(f fault) bool { return slices.Contains(slices.Concat(f.classes, f.rare), class) }) {
			t.Errorf("class %q, %d times: %v", class, n, total.examples[class])
		}
	}
	require.Positive(t, total.allowed)
	heapAfter, goroutinesAfter := used()
	decisions := total.allowed + total.denied + total.degraded
	t.Logf("faults: %v", happened)
	t.Logf("%d decisions, %.1f %% of them degraded: %v; the longest answer took %v (timeout %v), the longest return %v",
		decisions, 100*float64(total.degraded)/float64(decisions), total.classes, total.longest.Round(time.Millisecond), defaultTimeout, longestAway.Round(time.Millisecond))
	t.Logf("charged %d, %d more than were allowed", charged, unanswered)
	t.Logf("heap %d kB at the start, %d kB at the end; goroutines %d, %d", heap>>10, heapAfter>>10, goroutines, goroutinesAfter)
}

// used returns how many bytes of the heap are in use, and how many goroutines there are.
func used() (heap uint64, goroutines int) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc, runtime.NumGoroutine()
}
