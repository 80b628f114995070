package customstore_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/distributed-rate-limiter/ratelimit/conformance"
	"github.com/distributed-rate-limiter/ratelimit/examples/customstore"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
)

// newPool returns a pool of connections to addr.
func newPool(addr string, options ...redis.DialOption) *redis.Pool {
	return &redis.Pool{
		DialContext: func(ctx context.Context) (redis.Conn, error) {
			return redis.DialContext(ctx, "tcp", addr, options...)
		},
		MaxIdle:     16,
		IdleTimeout: time.Minute,
	}
}

// TestStore tests the store on a real Redis if it can, because only that proves a store. It
// starts a redis-server if one is installed. With
//
//	REDIS_ADDR=localhost:6379 go test
//
// it uses the Redis there. That may be in use, but it will be busy for seconds and lose its
// cached scripts.
func TestStore(t *testing.T) {
	switch addr := os.Getenv("REDIS_ADDR"); {
	case addr != "":
		testStore(t, addr)
	case redistest.Available():
		testStore(t, redistest.Start(t).Addr())
	default:
		t.Run("Redis", func(t *testing.T) { redistest.Binary(t) }) // skips, and says why
		server, err := embedded.Start()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { server.Close() })
		testStore(t, server.Addr())
	}
}

// testStore runs the suite on stores for the Redis at addr.
func testStore(t *testing.T, addr string) {
	open := func(t testing.TB, options ...redis.DialOption) store.Store {
		pool := newPool(addr, options...)
		t.Cleanup(func() { pool.Close() })
		return customstore.New(pool)
	}
	conformance.TestStore(t, conformance.Harness{
		Open: func(t testing.TB) store.Store { return open(t) },
		OpenDial: func(t testing.TB, dial conformance.Dial) store.Store {
			return open(t, redis.DialContextFunc(dial))
		},
		FlushScripts: func(t testing.TB) {
			conn, err := redis.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.Do("SCRIPT", "FLUSH"); err != nil {
				t.Fatal(err)
			}
		},
	})
}
