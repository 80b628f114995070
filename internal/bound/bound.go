// Package bound computes how much a limit may admit.
package bound

import (
	"math"
	"math/big"
	"time"
)

// Linear returns base + rate x d/period, rounded down, or the greatest int64 if that is less.
func Linear(base, rate int64, period, d time.Duration) int64 {
	n := new(big.Int).Mul(big.NewInt(rate), big.NewInt(int64(d)))
	n.Quo(n, big.NewInt(int64(period)))
	n.Add(n, big.NewInt(base))
	if !n.IsInt64() {
		return math.MaxInt64
	}
	return n.Int64()
}
