package main

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
)

// BenchmarkAllow measures Allow on distinct identities, on a redis-server of its own, for
// comparison by benchstat. It also reports Redis's CPU time for each decision.
//
//	go test ./benchmarks -run '^$' -bench Allow -count 10 | tee new.txt
//	benchstat old.txt new.txt
func BenchmarkAllow(b *testing.B) {
	addr := redistest.Start(b).Addr()
	clients, err := newClients(b.Context(), addr, 0)
	require.NoError(b, err)
	defer clients.close()
	a := newAdmin(addr)
	defer a.close()
	all := identities(100_000)
	for _, store := range []struct {
		name           string
		batched, alone *contestant
	}{
		{"goredis", ratelimitGoRedis(), ratelimitGoRedisAlone()},
		{"rueidis", ratelimitRueidis(), ratelimitRueidisAlone()},
	} {
		for _, way := range []struct {
			name       string
			contestant *contestant
		}{{"batched", store.batched}, {"alone", store.alone}} {
			for _, callers := range []int{1, 64, 512} {
				b.Run(fmt.Sprintf("%s/%s/%d", store.name, way.name, callers), func(b *testing.B) {
					require.NoError(b, a.flush(b.Context()))
					subject, err := way.contestant.open(clients, distinctAllowed.limit)
					require.NoError(b, err)
					require.NoError(b, distinctAllowed.warmUp(b.Context(), warmSome, subject, 1, all))
					benchmark(b, a, subject, callers, all)
				})
			}
		}
	}
}

// benchmark makes b.N decisions, shared by as many goroutines as callers.
func benchmark(b *testing.B, a *admin, s *subject, callers int, all []string) {
	before, err := a.usage(b.Context())
	require.NoError(b, err)
	failures := make([]error, callers)
	b.ReportAllocs()
	b.ResetTimer()
	var done sync.WaitGroup
	for i := range callers {
		call, next := s.caller(), uniform.draw(all, 1, uint64(i))
		done.Go(func() {
			for j := i; j < b.N; j += callers {
				if answer := call(context.Background(), next); answer.err != nil {
					failures[i] = answer.err
				}
			}
		})
	}
	done.Wait()
	b.StopTimer()
	for _, err := range failures {
		require.NoError(b, err)
	}
	after, err := a.usage(b.Context())
	require.NoError(b, err)
	b.ReportMetric(micros(after.since(before).cpu)/float64(b.N), "redis-µs/op")
}
