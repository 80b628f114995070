package perlimiter_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/perlimiter"
)

func TestMap(t *testing.T) {
	m := perlimiter.New(func(namespace, algorithm string) string { return namespace + ":" + algorithm })
	require.Empty(t, slices.Collect(m.All()))
	require.Equal(t, "a:bc", m.Of("a", "bc"))
	require.Equal(t, "ab:c", m.Of("ab", "c"))
	require.Equal(t, "a:bc", m.Of("a", "bc"))
	require.ElementsMatch(t, []string{"a:bc", "ab:c"}, slices.Collect(m.All()))
}

// TestMapConcurrently checks that a value is made once, and that all callers get it.
func TestMapConcurrently(t *testing.T) {
	const limiters, workers = 20, 8
	var made atomic.Int32
	m := perlimiter.New(func(string, string) *atomic.Int64 {
		made.Add(1)
		return new(atomic.Int64)
	})
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for i := range limiters {
				m.Of(fmt.Sprint(i), "x").Add(1)
				for count := range m.All() {
					count.Load()
				}
			}
		})
	}
	group.Wait()
	require.EqualValues(t, limiters, made.Load())
	for count := range m.All() {
		require.EqualValues(t, workers, count.Load())
	}
}

// TestMapIsBounded checks that limiters beyond Max share one value.
func TestMapIsBounded(t *testing.T) {
	made := 0
	m := perlimiter.New(func(namespace, algorithm string) [2]string {
		made++
		return [2]string{namespace, algorithm}
	})
	for i := range perlimiter.Max {
		require.Equal(t, [2]string{fmt.Sprint(i), "x"}, m.Of(fmt.Sprint(i), "x"))
	}
	for i := range 10 {
		require.Equal(t, [2]string{perlimiter.Others, perlimiter.Others}, m.Of(fmt.Sprint("late", i), "x"))
	}
	require.Equal(t, [2]string{"0", "x"}, m.Of("0", "x"), "who was there stays")
	require.Equal(t, perlimiter.Max+1, made)
	require.Len(t, slices.Collect(m.All()), perlimiter.Max+1)
}

func TestOfAllocatesNothing(t *testing.T) {
	m := perlimiter.New(func(string, string) *int { return new(int) })
	require.Zero(t, testing.AllocsPerRun(100, func() { m.Of("shop", "token_bucket") }))
}

func BenchmarkOf(b *testing.B) {
	m := perlimiter.New(func(string, string) *int { return new(int) })
	names := []string{"shop", "login", "search", "export"}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m.Of(names[i%len(names)], "token_bucket")
	}
}
