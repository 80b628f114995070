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

// The embedded Redis is not Redis: a store is proved by the real one only. So it is
// tested by a redis-server where one is installed, or by the Redis of
//
//	REDIS_ADDR=localhost:6379 go test
//
// which may be in use, but will be busy for seconds and lose its cached scripts.
func TestStore(t *testing.T) {
	switch addr := os.Getenv("REDIS_ADDR"); {
	case addr != "":
		testStore(t, addr)
	case redistest.Available():
		testStore(t, redistest.Start(t).Addr())
	default:
		t.Run("Redis", func(t *testing.T) { redistest.Binary(t) }) // says why not
		server, err := embedded.Start()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { server.Close() })
		testStore(t, server.Addr())
	}
}

// testStore has the suite test stores on the Redis at addr.
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
