package ratelimit_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
)

// BenchmarkCluster has 512 callers decide on 100,000 identities of a Cluster of
// three, with batching and without.
func BenchmarkCluster(b *testing.B) {
	cluster := redistest.StartCluster(b)
	identities := make([]string, 100_000)
	for i := range identities {
		identities[i] = fmt.Sprint("user:", i)
	}
	for _, driver := range []string{"goredis", "rueidis"} {
		for _, mode := range []struct {
			name    string
			options []ratelimit.Option
		}{{"Batching", nil}, {"Alone", []ratelimit.Option{ratelimit.WithoutBatching()}}} {
			b.Run(driver+"/"+mode.name, func(b *testing.B) {
				s := site{driver, cluster.URL(), cluster.Nodes}.open(b)
				options := append([]ratelimit.Option{ratelimit.WithTimeout(10 * time.Second)}, mode.options...)
				l, err := ratelimit.New(s, tokenbucket.Limit{Rate: 100_000, Period: 8760 * time.Hour}, options...)
				require.NoError(b, err)
				b.ReportAllocs()
				b.SetParallelism(512 / runtime.GOMAXPROCS(0))
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						r, err := l.Allow(context.Background(), identities[rand.IntN(len(identities))])
						if err != nil || r.Degraded {
							b.Errorf("error %v, result %+v", err, r)
						}
					}
				})
			})
		}
	}
}
