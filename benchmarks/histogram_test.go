package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestHistogramError checks that quantiles are within 1.6 % of the exact ones.
func TestHistogramError(t *testing.T) {
	const bound = 0.016
	random := rand.New(rand.NewPCG(1, 2))
	for name, draw := range map[string]func() float64{
		"tiny":      func() float64 { return float64(random.IntN(200)) },
		"uniform":   func() float64 { return random.Float64() * 1e7 },
		"lognormal": func() float64 { return math.Exp(random.NormFloat64()*3 + 12) },
		"powers":    func() float64 { return math.Exp2(float64(random.IntN(42))) },
	} {
		t.Run(name, func(t *testing.T) {
			var one, other recorder
			var exact []time.Duration
			for i := range 20_000 {
				d := time.Duration(draw())
				exact = append(exact, d)
				if i%2 == 0 {
					one.record(d, 1)
				} else {
					other.record(d, 1)
				}
			}
			var whole histogram
			whole.add(&one)
			whole.add(&other)
			require.Equal(t, int64(len(exact)), whole.total)
			slices.Sort(exact)
			for _, q := range []float64{0.0001, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1} {
				want := exact[int(math.Ceil(q*float64(len(exact))))-1]
				require.InDelta(t, float64(want), float64(whole.quantile(q)), bound*float64(want), "q %v", q)
			}
		})
	}
}

// TestHistogramBuckets checks that buckets follow each other without a gap.
func TestHistogramBuckets(t *testing.T) {
	require.Equal(t, 0, bucket(-1))
	require.Equal(t, buckets-1, bucket(math.MaxInt64))
	last := -1
	for v := time.Duration(0); v < 1<<14; v++ {
		b := bucket(v)
		require.Contains(t, []int{last, last + 1}, b, v)
		last = b
	}
	for b := range buckets {
		require.Equal(t, b, bucket(middle(b)))
	}
}

func TestHistogramWeights(t *testing.T) {
	var h histogram
	require.Zero(t, h.quantile(0.5))
	var r recorder
	r.record(10, 64)
	r.record(20, 36)
	h.add(&r)
	for q, want := range map[float64]time.Duration{0.01: 10, 0.64: 10, 0.65: 20, 1: 20} {
		require.Equal(t, want, h.quantile(q), fmt.Sprint(q))
	}
	require.Zero(t, testing.AllocsPerRun(100, func() { r.record(time.Millisecond, 1) }))
}
