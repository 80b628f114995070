// Package drivertest has the tests that both drivers of this module must pass, besides the
// conformance suite: how they connect, and what they do when servers fail or send wrong
// replies.
package drivertest

import (
	"context"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// Opened is what a driver's Open returns.
type Opened interface {
	store.Store
	store.Prompt
	io.Closer
}

// Driver is a driver under test.
type Driver struct {
	// Open is the driver's Open.
	Open func(url string, o driver.Options) (Opened, error)
	// Clients are ways to make a client for the server at an address, wrapped by the
	// driver's New. The clients are closed at the end of the test.
	Clients map[string]func(t testing.TB, addr string) store.Store
	// IOTimeout is when a Run of Open's client gives up if its context does not end.
	IOTimeout time.Duration
}

// Run runs every test of d.
func Run(t *testing.T, d Driver) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Driver)
	}{
		{"BadReply", badReply},
		{"Hostile", hostile},
		{"ServerError", serverError},
		{"Context", contexts},
		{"ForeignTimeout", foreignTimeout},
		{"Refused", refused},
		{"Restart", restart},
		{"Closed", closed},
		{"AtMostOnce", atMostOnce},
		{"Cluster", cluster},
		{"Across", across},
		{"Sentinel", sentinel},
		{"Connection", connection},
		{"Quoted", quoted},
		{"TLS", tlsServer},
		{"Open", open},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, d)
		})
	}
}

var incr = store.NewScript("incr", `return {redis.call('INCR', KEYS[1])}`)

// open1 opens a store, by default without options, which is closed at the end of the test.
func open1(t testing.TB, d Driver, url string, o ...func(*driver.Options)) Opened {
	t.Helper()
	var options driver.Options
	for _, set := range o {
		set(&options)
	}
	s, err := d.Open(url, options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// run runs the script, and stops the test if that fails.
func run(t testing.TB, s store.Store, script *store.Script, keys []string, args ...int64) []int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	ints, err := s.Run(ctx, script, keys, args)
	require.NoError(t, err)
	return ints
}

// eventually calls done until it returns nil, for 20 s at most.
func eventually(t testing.TB, done func() error) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
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
			t.Fatalf("still: %v", err)
		}
	}
}

// each runs test on Open's client and on each of the driver's Clients.
func each(t *testing.T, d Driver, addr string, test func(*testing.T, store.Store)) {
	t.Run("Open", func(t *testing.T) { test(t, open1(t, d, "redis://"+addr)) })
	names := make([]string, 0, len(d.Clients))
	for name := range d.Clients {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		t.Run(name, func(t *testing.T) { test(t, d.Clients[name](t, addr)) })
	}
}
