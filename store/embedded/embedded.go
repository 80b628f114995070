// Package embedded is an in-process Redis (miniredis) for demos and users' own tests, NOT
// for production: it limits one process only, and its state is lost on exit.
//
// It is a Store, and also speaks Redis's protocol on a loopback port, so that any client may
// connect to it. Its clock can be set and moved, so that a test of a limit per day takes no
// time: see [Redis.Advance]. To see how a service behaves without its Redis, call Close.
//
// To use it in a testing/synctest bubble, call Start outside the bubble: inside, it would
// listen on the network, and the bubble's time would never move. Its clock does not follow
// the bubble's, so begin with SetTime(time.Now()), and Advance it by the time that you
// sleep.
//
// A script that passes here may still fail on Redis. miniredis has another Lua, which prints
// numbers differently; it knows fewer commands and libraries, and loses the codes of errors.
// Run your tests on a real Redis, too.
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
	// Do not use server.Dial, which makes an unbuffered pipe: when a client writes more than
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

// Close stops the Redis, and returns when nothing of it is left running. Its contents are
// lost. Closing it again does nothing.
func (r *Redis) Close() error { return r.close() }

// Addr returns the address for clients, such as "127.0.0.1:12345".
func (r *Redis) Addr() string { return r.addr }

// URL returns the address as "redis://127.0.0.1:12345".
func (r *Redis) URL() string { return "redis://" + r.addr }
