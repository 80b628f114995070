package rueidis_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/store/rueidis"
)

// TestAllocations: a decision allocates no more than it needs. The limiter allocates its
// context and the key; the driver, the text of the arguments and the integers of the reply;
// the client, the message.
func TestAllocations(t *testing.T) {
	redistest.WithoutRace(t, "-race empties pools at random")
	s, err := rueidis.Open(redistest.Start(t).URL())
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	limiter, err := ratelimit.New(s, tokenbucket.Limit{Rate: 1_000_000, Period: time.Second}, ratelimit.WithTimeout(time.Minute))
	require.NoError(t, err)
	cancellable, cancel := context.WithCancel(context.Background())
	defer cancel()
	count := func(most float64) {
		for _, ctx := range []context.Context{context.Background(), cancellable} {
			require.LessOrEqual(t, testing.AllocsPerRun(500, func() { _, err = limiter.Allow(ctx, "alice") }), most)
			require.NoError(t, err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		keys := []string{"k"}
		require.LessOrEqual(t, testing.AllocsPerRun(500, func() { _, err = s.Run(ctx, incr, keys, nil) }), 3.0)
		require.NoError(t, err)
	}
	count(5)
	var all sync.WaitGroup
	for i := range 64 { // two at a time are enough to make runs share the connection from now on
		all.Go(func() {
			for range 20 {
				_, _ = limiter.Allow(context.Background(), strconv.Itoa(i))
			}
		})
	}
	all.Wait()
	count(5)
}
