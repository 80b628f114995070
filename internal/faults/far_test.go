package faults

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
)

// TestFarAway: a decision takes less than the timeout, but making a connection,
// which takes several round trips, does not. It comes about all the same, and so
// it does when it was lost.
func TestFarAway(t *testing.T) {
	const (
		timeout   = 700 * time.Millisecond
		roundTrip = 400 * time.Millisecond
		callers   = 12 // more than what drivers send one by one
	)
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() {
				t.Skip("takes long: run without -short")
			}
			server := redistest.Start(t)
			p := redistest.StartProxy(t, server.Addr())
			p.Delay(roundTrip/2, 0)
			s, err := c.open(p.URL(), driver.Options{})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, s.Close()) })
			l := newLimiter(t, s, party{name: "far", mode: ratelimit.FailClosed, rate: plenty,
				options: []ratelimit.Option{ratelimit.WithoutBatching()}}, timeout) // in a batch, a call waits for the run before too
			for _, begin := range []string{"cold", "cut"} {
				if begin == "cut" {
					p.Cut()
				}
				since := time.Now()
				var wait sync.WaitGroup
				for i := range callers {
					wait.Go(func() {
						for in := 0; in < 3; { // a row
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
