package ratelimit_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// denying is a store whose runs take 200 µs. Each reply denies the requests for one key.
type denying struct{}

func (denying) Prompt() bool { return true }

func (denying) Run(context.Context, *store.Script, []string, []int64) ([]int64, error) {
	time.Sleep(200 * time.Microsecond)
	return []int64{time.Now().UnixMicro(), 1, 0, 1}, nil
}

// BenchmarkBusyNeighbours measures eight callers on one key, in a process whose other
// goroutines keep the cores busy with jobs of 200 µs, or leave them idle. What helps callers
// on idle cores, such as waiting until others have run, may take ten times as long on busy
// ones.
func BenchmarkBusyNeighbours(b *testing.B) {
	for _, workers := range []int{0, 4 * runtime.GOMAXPROCS(0)} {
		b.Run(fmt.Sprintf("Workers=%d", workers), func(b *testing.B) {
			jobs, ended := make(chan struct{}, 8), make(chan struct{})
			var neighbours, callers sync.WaitGroup
			for range workers {
				neighbours.Go(func() {
					for range jobs {
						for begin := time.Now(); time.Since(begin) < 200*time.Microsecond; {
						}
					}
				})
			}
			neighbours.Go(func() {
				defer close(jobs)
				for workers > 0 {
					select {
					case jobs <- struct{}{}:
					case <-ended:
						return
					}
				}
			})
			l := newLimiter(b, denying{}, tokenbucket.Limit{Rate: 1, Period: time.Second}, ratelimit.WithTimeout(time.Minute))
			const count = 8
			var took [count][]time.Duration
			b.ResetTimer()
			for i := range count {
				callers.Go(func() {
					for range (b.N + count - 1) / count {
						begin := time.Now()
						allow(b, l, "x", 1)
						took[i] = append(took[i], time.Since(begin))
					}
				})
			}
			callers.Wait()
			b.StopTimer()
			close(ended)
			neighbours.Wait()
			all := slices.Concat(took[:]...)
			slices.Sort(all)
			b.ReportMetric(float64(all[len(all)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-µs")
		})
	}
}
