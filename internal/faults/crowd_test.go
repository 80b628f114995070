package faults

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
)

// TestCrowd: ten thousand callers at once, while Redis hangs. On a machine with
// nothing else to do each has its answer 50 ms after the timeout at the latest;
// that is logged. What is asserted holds on any.
func TestCrowd(t *testing.T) {
	const (
		callers = 10_000
		timeout = 100 * time.Millisecond
		slack   = time.Second
	)
	for _, c := range clients {
		for name, options := range map[string][]ratelimit.Option{"batching": nil, "alone": {ratelimit.WithoutBatching()}} {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				server := redistest.Start(t)
				s, err := c.open(server.URL(), driver.Options{})
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, s.Close()) })
				l := newLimiter(t, s, party{name: "crowd", mode: ratelimit.FailClosed, rate: plenty, options: options}, timeout)
				require.Eventually(t, func() bool {
					r, err := l.Allow(context.Background(), "warm")
					return err == nil && r.Allowed
				}, 10*time.Second, time.Millisecond)

				server.Pause()
				t.Cleanup(server.Resume)
				took := make([]time.Duration, callers)
				ready := make(chan struct{})
				var wait, waiting sync.WaitGroup
				waiting.Add(callers)
				for i := range callers {
					identity := fmt.Sprint(i)
					wait.Go(func() {
						waiting.Done()
						<-ready
						begin := time.Now()
						r, err := l.Allow(context.Background(), identity)
						took[i] = time.Since(begin)
						if err != nil || !r.Degraded || r.Allowed {
							t.Errorf("error %v, result %+v", err, r)
						}
					})
				}
				waiting.Wait()
				close(ready)
				wait.Wait()
				slices.Sort(took)
				longest := took[callers-1]
				t.Logf("timeout %v: median %v, p99 %v, the longest answer of %d took %v", timeout, took[callers/2].Round(time.Millisecond),
					took[callers*99/100].Round(time.Millisecond), callers, longest.Round(time.Millisecond))
				require.Less(t, longest, timeout+slack)
			})
		}
	}
}
