package embedded_test

import (
	"context"
	"fmt"
	"log"
	"time"

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
