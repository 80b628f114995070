package ratelimit_test

import (
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
)

// BenchmarkJoint measures joint calls under two limits. Under the second, each caller has its
// own identity, or all share one.
func BenchmarkJoint(b *testing.B) {
	st, err := goredis.Open("redis://" + redistest.Start(b).Addr())
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, st.Close()) })
	const identities = 20_000
	for _, way := range []struct {
		name    string
		options []ratelimit.Option
	}{{"Batched", nil}, {"Alone", []ratelimit.Option{ratelimit.WithoutBatching()}}} {
		options := append(way.options, ratelimit.WithTimeout(5*time.Second))
		limit := tokenbucket.Limit{Rate: 100_000_000, Period: 365 * 24 * time.Hour}
		one := newLimiter(b, st, limit, append(options, ratelimit.WithNamespace("one"))...)
		two := newLimiter(b, st, limit, append(options, ratelimit.WithNamespace("two"))...)
		j, err := ratelimit.Join(one, two)
		require.NoError(b, err)
		for _, callers := range []int{2, 64, 256} {
			for _, shared := range []bool{false, true} {
				name := way.name + "/" + strconv.Itoa(callers)
				if shared {
					name += "/Shared"
				}
				b.Run(name, func(b *testing.B) {
					var next atomic.Int64
					b.SetParallelism(max(1, callers/runtime.GOMAXPROCS(0)))
					b.RunParallel(func(pb *testing.PB) {
						for pb.Next() {
							identity := strconv.FormatInt(next.Add(1)*7919%identities, 10)
							second := identity
							if shared {
								second = "all"
							}
							r, err := j.AllowN(b.Context(), ratelimit.Part{Identity: identity, N: 1}, ratelimit.Part{Identity: second, N: 1})
							if err != nil || r.Degraded || !r.Allowed {
								b.Errorf("%+v, %v", r, err)
								return
							}
						}
					})
				})
			}
		}
	}
}
