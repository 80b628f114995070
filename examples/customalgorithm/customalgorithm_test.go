package customalgorithm_test

import (
	"os"
	"testing"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/conformance"
	"github.com/distributed-rate-limiter/ratelimit/examples/customalgorithm"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
)

func TestEmbedded(t *testing.T) {
	redistest.EmbeddedWithoutRace(t)
	server, err := embedded.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	testLimits(t, server)
}

// TestRedis runs the suite on a real Redis, because the embedded one has another
// implementation of Lua. It starts a redis-server if one is installed. With
//
//	REDIS_ADDR=localhost:6379 go test
//
// it uses the Redis there, which may be in use: the suite touches no keys but its own.
func TestRedis(t *testing.T) {
	addr := os.Getenv("REDIS_ADDR")
	if addr == "" {
		addr = redistest.Start(t).Addr()
	}
	server, err := goredis.Open("redis://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	testLimits(t, server)
}

func testLimits(t *testing.T, s store.Store) {
	h := conformance.Harness{Open: func(testing.TB) store.Store { return s }}
	conformance.TestAlgorithm(t, h,
		customalgorithm.Limit{Rate: 10, Period: 10 * time.Millisecond},
		customalgorithm.Limit{Rate: 100, Period: 24 * time.Hour},
		customalgorithm.Limit{Rate: 7, Period: 700_001 * time.Microsecond},
		customalgorithm.Limit{Rate: 20_000, Period: time.Minute},
		customalgorithm.Limit{Rate: 1, Period: time.Microsecond},                       // the least
		customalgorithm.Limit{Rate: 999_999_999_999_999, Period: 366 * 24 * time.Hour}, // the greatest
	)
}

func TestCompileRefuses(t *testing.T) {
	for want, limit := range map[string]customalgorithm.Limit{
		"customalgorithm: Rate is 0: must be 1 to 999999999999999":                {Period: time.Second},
		"customalgorithm: Rate is 1000000000000000: must be 1 to 999999999999999": {Rate: 1e15, Period: time.Second},
		"customalgorithm: Period is 0s: must be 1µs to 8784h0m0s":                 {Rate: 1},
		"customalgorithm: Period is 8784h0m0.000001s: must be 1µs to 8784h0m0s":   {Rate: 1, Period: 366*24*time.Hour + 1000},
		"customalgorithm: Period is 1.5µs: must be whole microseconds":            {Rate: 1, Period: 1500},
	} {
		if _, err := limit.Compile(); err == nil || err.Error() != want {
			t.Errorf("Compile of %+v\n  got:  %v\n  want: %s", limit, err, want)
		}
	}
}
