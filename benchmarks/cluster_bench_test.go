package main

import (
	"context"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
	"github.com/distributed-rate-limiter/ratelimit/store/rueidis"
)

// BenchmarkCluster measures 512 callers on 100,000 identities, on a Cluster of three
// nodes: with batching, without, and with redis_rate on go-redis.
func BenchmarkCluster(b *testing.B) {
	cluster := redistest.StartCluster(b)
	all := identities(100_000)
	l := limit{100_000, year}
	onGoRedis, err := goredis.Open(cluster.URL(), goredis.WithCluster())
	require.NoError(b, err)
	onRueidis, err := rueidis.Open(cluster.URL(), rueidis.WithCluster())
	require.NoError(b, err)
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: cluster.Addrs()})
	b.Cleanup(func() {
		require.NoError(b, onGoRedis.Close())
		require.NoError(b, onRueidis.Close())
		require.NoError(b, client.Close())
	})
	ask := func(s store.Store, options ...ratelimit.Option) func(context.Context, string) (bool, error) {
		limiter, err := newOurs(s, l, options...)
		require.NoError(b, err)
		return decideOurs(limiter)
	}
	for _, one := range []struct {
		name   string
		decide func(context.Context, string) (bool, error)
	}{
		{"goredis/Batching", ask(onGoRedis)},
		{"goredis/Alone", ask(onGoRedis, ratelimit.WithoutBatching())},
		{"goredis/redis_rate", decideRedisRate(redis_rate.NewLimiter(client), l)},
		{"rueidis/Batching", ask(onRueidis)},
		{"rueidis/Alone", ask(onRueidis, ratelimit.WithoutBatching())},
	} {
		b.Run(one.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(512 / runtime.GOMAXPROCS(0))
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					allowed, err := one.decide(context.Background(), all[rand.IntN(len(all))])
					if err != nil || !allowed {
						b.Errorf("allowed %t, error %v", allowed, err)
					}
				}
			})
		})
	}
}
