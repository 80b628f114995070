package algorithm_test

import (
	"flag"
	"sync"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
)

// servers are what the Lua is run on.
var servers = []struct {
	name string
	open func(t *testing.T) store.Store
}{
	{"Embedded", func(t *testing.T) store.Store {
		fewerUnderRace(t)
		return open(t, "redis://"+miniredis.RunT(t).Addr())
	}},
	{"Redis", func(t *testing.T) store.Store { return open(t, redistest.Start(t).URL()) }},
}

// fewerUnderRace has the rest of a test draw a quarter of its cases, unless it is told
// how many, where the race detector makes them slow and a real Redis has them all.
func fewerUnderRace(t *testing.T) {
	if !redistest.Race || !redistest.Available() {
		return
	}
	given := givenFlags()
	for name, value := range map[string]string{"rapid.checks": "25", "exact.ops": "5000"} {
		if given[name] {
			continue
		}
		before := flag.Lookup(name).Value.String()
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = flag.Set(name, before) })
	}
}

// givenFlags are those of the command line: one that was set is given for ever.
var givenFlags = sync.OnceValue(func() map[string]bool {
	given := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	return given
})

func open(t *testing.T, url string) store.Store {
	s, err := goredis.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
