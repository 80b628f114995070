package customalgorithm_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/examples/customalgorithm"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
)

func Example() {
	server, err := embedded.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	server.SetTime(time.Date(2026, 7, 1, 11, 59, 59, 0, time.UTC)) // its clock stands still

	limit := customalgorithm.Limit{Rate: 2, Period: time.Hour}
	limiter, err := ratelimit.New(server, limit)
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		for range 3 {
			res, err := limiter.Allow(context.Background(), "user:12345")
			fmt.Println(server.Now().UTC().Format(time.TimeOnly), res.Allowed, res.Remaining, res.RetryAfter, err)
		}
		server.Advance(time.Second)
	}
	// Output:
	// 11:59:59 true 1 0s <nil>
	// 11:59:59 true 0 0s <nil>
	// 11:59:59 false 0 1s <nil>
	// 12:00:00 true 1 0s <nil>
	// 12:00:00 true 0 0s <nil>
	// 12:00:00 false 0 1h0m0s <nil>
}
