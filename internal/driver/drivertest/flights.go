package drivertest

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/flights"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// Count is a script that counts its runs under a key, and repeats its argument.
var Count = store.NewScript("count", "return {redis.call('INCR', KEYS[1]), tonumber(ARGV[1])}")

// AwaitFlights returns once f has the given numbers of flights and of runs that wait.
func AwaitFlights[T any](t *testing.T, f *flights.Flights[T], flying, waiting int) {
	t.Helper()
	require.Eventually(t, func() bool {
		n, m := f.Counts()
		return n == flying && m == waiting
	}, 10*time.Second, time.Millisecond)
}

// Busy keeps n flights in the air until the function that it returns is called. Meanwhile no
// other flight begins because these are slow. There must be no flights before.
func Busy[T comparable](t *testing.T, f *flights.Flights[T], n int) (land func()) {
	t.Helper()
	AwaitFlights(t, f, 0, 0)
	var none T
	one := make(chan struct{})
	here := f.Here
	f.Slow = time.Hour
	f.Here = func(ctx context.Context, flights int, work T) bool {
		if work == none {
			<-one
			return true
		}
		return here(ctx, flights, work)
	}
	for range n {
		go f.Do(context.Background(), none, 0)
	}
	AwaitFlights(t, f, n, 0)
	return sync.OnceFunc(func() {
		for range n {
			one <- struct{}{}
		}
	})
}

// GoTogether lets many callers run Count on s at once. Each run must be run once, and each
// caller must get the reply to its own run. GoTogether returns how many runs there were.
func GoTogether(t *testing.T, s store.Store) int {
	const callers, runs = 64, 50
	var all sync.WaitGroup
	var seen [callers*runs + 1]atomic.Int64
	for i := range int64(callers) {
		all.Go(func() {
			for j := range int64(runs) {
				reply, err := s.Run(context.Background(), Count, []string{"n"}, []int64{i*runs + j})
				if err != nil || len(reply) != 2 || reply[1] != i*runs+j {
					t.Errorf("run %d of caller %d: %v, %v", j, i, reply, err)
					return
				}
				seen[reply[0]].Add(1)
			}
		})
	}
	all.Wait()
	for n := range seen[1:] {
		require.EqualValues(t, 1, seen[n+1].Load(), "count %d", n+1)
	}
	return callers * runs
}

// HungFlight lets two runs go together to a server that hangs. One leaves when its context
// ends; the other gets its reply, which says that each was run once.
func HungFlight[T comparable](t *testing.T, s store.Store, f *flights.Flights[T], server *redistest.Server) {
	land := Busy(t, f, flights.Few)
	var reply []int64
	run := func(ctx context.Context, reply *[]int64) <-chan error {
		errs := make(chan error, 1)
		go func() {
			got, err := s.Run(ctx, Count, []string{"n"}, []int64{7})
			if reply != nil {
				*reply = got
			}
			errs <- err
		}()
		return errs
	}
	short, leave := context.WithCancel(context.Background())
	defer leave()
	leaves := run(short, nil)
	AwaitFlights(t, f, flights.Few, 1)
	long, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	stays := run(long, &reply)
	AwaitFlights(t, f, flights.Few, 2)
	server.Pause()
	land()
	AwaitFlights(t, f, 1, 0)
	leave()
	require.ErrorIs(t, <-leaves, context.Canceled)
	server.Resume()
	require.NoError(t, <-stays)
	require.Equal(t, []int64{2, 7}, reply)
	AwaitFlights(t, f, 0, 0)
	last, err := s.Run(long, Count, []string{"n"}, []int64{0})
	require.NoError(t, err)
	require.Equal(t, []int64{3, 0}, last)
}
