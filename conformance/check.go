package conformance

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// check is one clause of a contract, and the test of it.
type check struct {
	name   string
	clause string
	run    func(testing.TB, *subject)
}

// subject is what is tested.
type subject struct {
	Harness
	limits []limit // none if a store is tested
}

// try runs the check. If it fails, try prints the clause and how to run the check again.
func (c check) try(t testing.TB, s *subject) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("%s checks this clause: %s\nRun it again: go test -count=1 -run '%s'", c.name, c.clause, pattern(t.Name()))
		}
	}()
	c.run(t, s)
}

// pattern returns the -run pattern that selects the test of that name alone.
func pattern(name string) string {
	parts := strings.Split(name, "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	return strings.Join(parts, "/")
}

// differ fails the test.
func differ(t interface {
	Helper()
	Fatalf(string, ...any)
}, got, want any, about string, args ...any,
) {
	t.Helper()
	t.Fatalf("%s\n  got:  %v\n  want: %v", fmt.Sprintf(about, args...), got, want)
}

// patience is how long an undisturbed run may take.
const patience = 30 * time.Second

// run runs a script, and stops the test if it fails.
func run(t interface {
	Helper()
	Fatalf(string, ...any)
}, s store.Store, script *store.Script, keys []string, args ...int64,
) []int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	reply, err := s.Run(ctx, script, keys, args)
	if err != nil {
		differ(t, err, "no error", "Run of script %s with %d keys and %d args", script.Name(), len(keys), len(args))
	}
	return reply
}

// enduring is how long eventually waits. The suite's own tests shorten it, so that they
// do not wait long for mutants.
var enduring = patience

// eventually calls done until it returns nil. It fails the test after enduring.
func eventually(t testing.TB, about string, done func() error) {
	t.Helper()
	deadline := time.NewTimer(enduring)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := done()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			differ(t, err, "no error", "%s, after %v", about, enduring)
		}
	}
}

// keyspace names keys that no other test uses. They share a hash slot, so that one run
// may have several of them.
type keyspace string

func newKeyspace() keyspace {
	return keyspace("conformance:{" + rand.Text() + "}")
}

func (k keyspace) key(name string) string { return string(k) + ":" + name }

func (k keyspace) keys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = k.key(fmt.Sprint(i))
	}
	return keys
}

// serial numbers scripts that no server has seen.
var serial atomic.Int64

// unseen returns a script that no server has cached.
func unseen(source string) *store.Script {
	name := fmt.Sprintf("unseen-%d", serial.Add(1))
	return store.NewScript(name, "-- "+name+" "+rand.Text()+"\n"+source)
}

// checks returns how many random cases rapid draws for each check. It is also the measure
// of how much the rest of the suite does.
func checks() int {
	f := flag.Lookup("rapid.checks")
	if f == nil {
		return 100
	}
	g, _ := f.Value.(flag.Getter)
	n, _ := g.Get().(int)
	if testing.Short() {
		n /= 5
	}
	return max(1, n)
}

// scope is a TB whose cleanups run when it is closed.
type scope struct {
	testing.TB
	cleanups []func()
}

func (s *scope) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }

func (s *scope) close() {
	for len(s.cleanups) > 0 {
		last := len(s.cleanups) - 1
		f := s.cleanups[last]
		s.cleanups = s.cleanups[:last]
		f()
	}
}
