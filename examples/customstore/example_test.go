package customstore_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/examples/customstore"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
)

func Example() {
	server, err := embedded.Start() // or a Redis of yours
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	pool := newPool(server.Addr())
	defer pool.Close()

	limit := tokenbucket.Limit{Rate: 100, Period: time.Minute, Burst: 2}
	limiter, err := ratelimit.New(customstore.New(pool), limit)
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		res, err := limiter.Allow(context.Background(), "user:12345")
		fmt.Println(res.Allowed, res.Remaining, res.Degraded, err)
	}
	// Output:
	// true 1 false <nil>
	// true 0 false <nil>
	// false 0 false <nil>
}
