package faults

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
)

// farAway opens a store to whose server a round trip takes that long. Its tests take long, so
// they run in parallel, and not with -short.
func farAway(t *testing.T, c client, roundTrip time.Duration) (opened, *redistest.Proxy) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes long: run without -short")
	}
	p := redistest.StartProxy(t, redistest.Start(t).Addr())
	p.Delay(roundTrip/2, 0)
	s, err := c.open(p.URL(), driver.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s, p
}

// TestFarBursts checks that even with pauses between bursts, all calls of a burst are decided
// by Redis once there are enough connections, though no call has enough time to make one.
func TestFarBursts(t *testing.T) {
	needs(t)
	const (
		timeout   = 350 * time.Millisecond
		roundTrip = 200 * time.Millisecond
		callers   = 8
		pause     = 300 * time.Millisecond
	)
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			s, _ := farAway(t, c, roundTrip)
			l := newLimiter(t, s, party{name: "bursts", mode: ratelimit.FailClosed, rate: plenty,
				options: []ratelimit.Option{ratelimit.WithoutBatching(), ratelimit.WithoutBreaker()}}, timeout)
			since := time.Now()
			for in := 0; in < 3; { // in a row
				var late atomic.Int64
				var wait sync.WaitGroup
				for i := range callers {
					wait.Go(func() {
						if r, err := l.Allow(context.Background(), fmt.Sprint(i)); err != nil || r.Degraded {
							late.Add(1)
						}
					})
				}
				wait.Wait()
				if in++; late.Load() > 0 {
					in = 0
				}
				if time.Since(since) > time.Minute {
					t.Fatalf("%d of %d are late still", late.Load(), callers)
				}
				<-time.After(pause)
			}
			t.Logf("all are decided by Redis %v later", time.Since(since).Round(time.Millisecond))
		})
	}
}

// TestFarAway checks a server that is so far away that a decision takes less than the timeout,
// but making a connection, which takes several round trips, takes more. Connections must come
// about all the same, at the beginning and after they were lost.
func TestFarAway(t *testing.T) {
	needs(t)
	const (
		timeout   = 700 * time.Millisecond
		roundTrip = 400 * time.Millisecond
		callers   = 12 // more than the drivers send one by one
	)
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			s, p := farAway(t, c, roundTrip)
			l := newLimiter(t, s, party{name: "far", mode: ratelimit.FailClosed, rate: plenty,
				options: []ratelimit.Option{ratelimit.WithoutBatching()}}, timeout) // in a batch, a call would also wait for the run before it
			for _, begin := range []string{"cold", "cut"} {
				if begin == "cut" {
					p.Cut()
				}
				since := time.Now()
				var wait sync.WaitGroup
				for i := range callers {
					wait.Go(func() {
						for in := 0; in < 3; { // in a row
							r, err := l.Allow(context.Background(), fmt.Sprint(i))
							switch {
							case err != nil || time.Since(since) > time.Minute:
								t.Errorf("%s: error %v, result %+v", begin, err, r)
								return
							case r.Degraded:
								in = 0
								<-time.After(10 * time.Millisecond) // a breaker may be open
							default:
								in++
							}
						}
					})
				}
				wait.Wait()
				t.Logf("%s: all are decided by Redis %v later", begin, time.Since(since).Round(time.Millisecond))
			}
		})
	}
}
