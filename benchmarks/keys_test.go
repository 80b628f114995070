package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func drawn(s spread, all []string, seed, stream uint64) (some []string) {
	next := s.draw(all, seed, stream)
	for range 1000 {
		some = append(some, next())
	}
	return some
}

// TestDraw checks that the same seed and stream draw the same identities, and that others
// do not.
func TestDraw(t *testing.T) {
	all := identities(1000)
	for _, s := range []spread{uniform, zipf} {
		require.Equal(t, drawn(s, all, 1, 2), drawn(s, all, 1, 2))
		require.NotEqual(t, drawn(s, all, 1, 2), drawn(s, all, 1, 3))
		require.NotEqual(t, drawn(s, all, 1, 2), drawn(s, all, 2, 2))
		require.Subset(t, all, drawn(s, all, 1, 2))
	}
	for _, identity := range drawn(hot, all, 1, 2) {
		require.Equal(t, all[0], identity)
	}
	for _, s := range []spread{uniform, zipf, hot} {
		require.Equal(t, all[0], s.draw(all[:1], 1, 1)(), "of a single one")
		next := s.draw(all, 1, 1)
		require.Zero(t, testing.AllocsPerRun(100, func() { next() }))
	}
}

// TestZipf checks that the k-th identity is drawn in proportion to 1/k^1.1.
func TestZipf(t *testing.T) {
	all, n := identities(100_000), 200_000
	counts := make(map[string]float64)
	next := zipf.draw(all, 1, 1)
	for range n {
		counts[next()]++
	}
	share := counts[all[0]] / float64(n)
	require.InDelta(t, 0.13, share, 0.02, "which workloads rely on")
	require.InEpsilon(t, 2.14, counts[all[0]]/counts[all[1]], 0.1) // 2^1.1
	require.InEpsilon(t, 12.6, counts[all[0]]/counts[all[9]], 0.2) // 10^1.1
}

func TestIdentities(t *testing.T) {
	all := identities(3)
	require.Equal(t, []string{"user:00000000", "user:00000001", "user:00000002"}, all)
	require.Equal(t, all[2], identity(2))
}
