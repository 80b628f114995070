package conformance

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// BenchmarkStore measures a Store: what a run costs by itself, with an empty
// script, and what decisions cost, alone, many in a run, and from many
// goroutines at once.
func BenchmarkStore(b *testing.B, h Harness) {
	b.Helper()
	h.require(b)
	s, space := h.Open(b), newKeyspace()
	l := compile(b, []algorithm.Algorithm{tokenbucket.Limit{Rate: 1_000_000, Period: time.Second}})[0]
	empty := store.NewScript("empty", "return {1}")
	measure := func(b *testing.B, script *store.Script, keys []string, args []int64) {
		b.Helper()
		if _, err := s.Run(context.Background(), script, keys, args); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("Empty", func(b *testing.B) {
		keys := space.keys(1)
		b.ReportAllocs()
		for b.Loop() {
			measure(b, empty, keys, nil)
		}
	})
	for _, n := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("Keys=%d", n), func(b *testing.B) {
			keys, args := space.keys(n), l.program.AppendParams(nil)
			for i := range n {
				args = l.program.AppendRequest(args, 1, i)
			}
			b.ReportAllocs()
			for b.Loop() {
				measure(b, l.program.Script(), keys, args)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/decision")
		})
	}
	b.Run("Parallel", func(b *testing.B) {
		args := l.program.AppendRequest(l.program.AppendParams(nil), 1, 0)
		var caller atomic.Int64
		b.ReportAllocs()
		b.SetParallelism(64)
		b.RunParallel(func(pb *testing.PB) {
			keys := []string{space.key(strconv.FormatInt(caller.Add(1), 10))}
			for pb.Next() {
				if _, err := s.Run(context.Background(), l.program.Script(), keys, args); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}
