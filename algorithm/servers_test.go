package algorithm_test

import (
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
)

// servers are the kinds of Redis that the Lua is tested on.
var servers = []struct {
	name string
	open func(t *testing.T) store.Store
}{
	{"Embedded", func(t *testing.T) store.Store {
		redistest.EmbeddedWithoutRace(t)
		return open(t, "redis://"+miniredis.RunT(t).Addr())
	}},
	{"Redis", func(t *testing.T) store.Store { return open(t, redistest.Start(t).URL()) }},
}

func open(t *testing.T, url string) store.Store {
	s, err := goredis.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
