// Package embedded is an in-process Redis (miniredis) for demos and users' own
// tests, NOT for production: it limits one process only, and its state is lost
// on exit.
//
// It speaks Redis's protocol on a loopback port, so any client may connect to it
// beside the Store that it is. Its clock can be set and moved, so that a test of
// a limit per day takes no time: see [Redis.Advance]. To see what becomes of a
// service whose Redis is away, Close it.
//
// For a testing/synctest bubble, Start it outside: in the bubble, where it would listen
// on the network, time would never move. It has a clock of its own there, too. Begin by
// SetTime(time.Now()), and Advance it by what you sleep.
//
// A script that passes here may still fail on Redis: miniredis runs another Lua,
// which prints numbers differently, knows fewer commands and libraries, and loses
// the codes of errors. Run your tests on a real Redis, too.
package embedded

import (
	"context"
	"fmt"
	"sync"

	"github.com/alicebob/miniredis/v2"

	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
)

// Redis is an in-process Redis and a [store.Store] on it. It is safe for
// concurrent use.
type Redis struct {
	addr   string
	server *miniredis.Miniredis
	clock  *clock
	store  *goredis.Store
	close  func() error
}

var (
	_ store.Store  = (*Redis)(nil)
	_ store.Prompt = (*Redis)(nil)
)

// Start starts an empty Redis on a free port of 127.0.0.1. Call Close when done.
func Start() (*Redis, error) {
	server, err := miniredis.Run()
	if err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	// Not server.Dial, which is an unbuffered pipe: where a client writes more than
	// some kilobytes before it reads, each end waits for the other.
	addr := server.Addr()
	client, err := goredis.Open("redis://" + addr)
	if err != nil {
		server.Close()
		return nil, fmt.Errorf("embedded: %w", err)
	}
	r := &Redis{addr: addr, server: server, clock: newClock(server), store: client}
	r.close = sync.OnceValue(func() error {
		defer server.Close()
		return client.Close()
	})
	return r, nil
}

// Run implements [store.Store].
func (r *Redis) Run(ctx context.Context, s *store.Script, keys []string, args []int64) ([]int64, error) {
	return r.store.Run(ctx, s, keys, args)
}

// Prompt implements [store.Prompt].
func (r *Redis) Prompt() bool { return r.store.Prompt() }

// Close stops the Redis, and returns when nothing of it is left running. What it
// held is lost. To close it again does nothing.
func (r *Redis) Close() error { return r.close() }

// Addr returns the address for clients, such as "127.0.0.1:12345".
func (r *Redis) Addr() string { return r.addr }

// URL returns the address as "redis://127.0.0.1:12345".
func (r *Redis) URL() string { return "redis://" + r.addr }
