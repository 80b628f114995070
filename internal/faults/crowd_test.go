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

// TestCrowd has ten thousand callers call at once while Redis hangs. On a machine with nothing
// else to do, each is answered 50 ms after the timeout at the latest, and in less than a
// millisecond once the breaker is open. The test logs these times, beside those of as many
// bare timers on the same machine. It asserts only enough to tell a limiter that leaves by
// itself from one that waits until its client lets it go.
func TestCrowd(t *testing.T) {
	needs(t)
	const (
		callers = 10_000
		timeout = 100 * time.Millisecond
		slack   = 3 * time.Second // less than any client's timeout
		share   = 5               // how many times as long as bare timers answers may take, on a busy machine
	)
	identities := make([]string, callers)
	for i := range identities {
		identities[i] = fmt.Sprint(i)
	}
	for _, c := range clients {
		for _, way := range []struct {
			name    string
			options []ratelimit.Option
		}{{"batching", nil}, {"alone", []ratelimit.Option{ratelimit.WithoutBatching()}}} {
			t.Run(c.name+"/"+way.name, func(t *testing.T) {
				server := redistest.Start(t)
				s, err := c.open(server.URL(), driver.Options{})
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, s.Close()) })
				l := newLimiter(t, s, party{name: "crowd", mode: ratelimit.FailClosed, rate: plenty, options: way.options}, timeout)
				require.Eventually(t, func() bool {
					r, err := l.Allow(context.Background(), "warm")
					return err == nil && r.Allowed
				}, 10*time.Second, time.Millisecond)

				server.Pause()
				t.Cleanup(server.Resume)
				machine := crowd(callers, func(int) { <-time.After(timeout) })
				ask := func(i int) ratelimit.ErrorClass {
					var c caller
					r, err := l.Allow(context.WithValue(context.Background(), callerKey{}, &c), identities[i])
					if err != nil || !r.Degraded || r.Allowed {
						t.Errorf("error %v, result %+v", err, r)
					}
					return c.event.Class
				}
				took := crowd(callers, func(i int) { ask(i) })
				open := crowd(callers, func(i int) {
					if class := ask(i); class != ratelimit.ClassBreaker {
						t.Errorf("class %q: the breaker is not open", class)
					}
				})
				longest := took[callers-1]
				t.Logf("timeout %v: median %v, p99 %v, the longest answer of %d took %v (as many timers, %v); with the breaker open, p99 %v, the longest %v", timeout, took[callers/2].Round(time.Millisecond),
					took[callers*99/100].Round(time.Millisecond), callers, longest.Round(time.Millisecond), machine[callers-1].Round(time.Millisecond), open[callers*99/100], open[callers-1])
				limit := share*machine[callers-1] + slack
				require.Less(t, longest, limit)
				require.Less(t, open[callers-1], limit)
			})
		}
	}
}

// crowd has that many goroutines call do at once, each once, and returns how long each took,
// in ascending order.
func crowd(size int, do func(i int)) []time.Duration {
	took := make([]time.Duration, size)
	begin := make(chan struct{})
	var wait, waiting sync.WaitGroup
	waiting.Add(size)
	for i := range size {
		wait.Go(func() {
			waiting.Done()
			<-begin
			began := time.Now()
			do(i)
			took[i] = time.Since(began)
		})
	}
	waiting.Wait()
	close(begin)
	wait.Wait()
	slices.Sort(took)
	return took
}
