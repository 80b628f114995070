package embedded_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/slidingwindow"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
)

func Example() {
	redis, err := embedded.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer redis.Close()

	visit := store.NewScript("visit", `
		redis.call('SET', KEYS[1], 0, 'PX', ARGV[1], 'NX')
		return {redis.call('INCR', KEYS[1])}`)
	day := (24 * time.Hour).Milliseconds()

	for range 3 {
		count, err := redis.Run(context.Background(), visit, []string{"visits"}, []int64{day})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(count)
		redis.Advance(12 * time.Hour)
	}
	// Output:
	// [1]
	// [2]
	// [1]
}

// A test of a service: a day passes at once, and then Redis is away.
func ExampleRedis_Advance() {
	redis, err := embedded.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer redis.Close()
	redis.Advance(0) // the clock stands still from here
	limiter, err := ratelimit.New(redis, slidingwindow.Log{Rate: 2, Period: 24 * time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	allow := func() {
		res, err := limiter.Allow(context.Background(), "user:12345")
		fmt.Println(res.Allowed, res.RetryAfter, res.Degraded, err)
	}
	allow()
	redis.Advance(time.Hour)
	allow()
	allow()
	redis.Advance(23 * time.Hour)
	allow()
	redis.Close()
	allow()
	// Output:
	// true 0s false <nil>
	// true 0s false <nil>
	// false 23h0m0s false <nil>
	// true 0s false <nil>
	// true 0s true <nil>
}
