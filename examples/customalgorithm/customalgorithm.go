// Package customalgorithm is the fixed window algorithm: an example of how to
// write an algorithm that this module does not have.
package customalgorithm

import (
	_ "embed"
	"fmt"
	"math"
	"math/bits"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

//go:embed fixed_window.lua
var lua string

// The greatest values with which all sums stay below 2^53, so that they are exact in Lua.
const (
	maxRate   = 999_999_999_999_999
	maxPeriod = 366 * 24 * time.Hour
)

// Limit is a fixed window: Rate units in each window. Windows are Period long and begin at
// multiples of Period since 1970, for everybody at once: a Period of 24 hours is a day in
// UTC. (1970 began on a Thursday, so windows of a week begin on Thursdays.)
//
// At most Rate x (1 + d/Period, rounded up) units are admitted in any interval d. This is
// twice Rate within a moment, around the end of one window and the beginning of the next.
//
// A limit may be changed while keys live. What was taken in a window still counts if that
// window began within the current window of the new limit. This is so when only Rate
// changes, and when the new Period is a multiple of the old one.
type Limit struct {
	// Rate is how many units may be taken in each window: 1 to 999,999,999,999,999.
	Rate int64
	// Period is the length of a window, in whole microseconds, at most 366 days.
	Period time.Duration
}

// Compile implements [algorithm.Algorithm]. It returns an error if a field is out of
// range.
func (l Limit) Compile() (*algorithm.Plan, error) {
	switch {
	case l.Rate < 1 || l.Rate > maxRate:
		return nil, fmt.Errorf("customalgorithm: Rate is %d: must be 1 to %d", l.Rate, maxRate)
	case l.Period < time.Microsecond || l.Period > maxPeriod:
		return nil, fmt.Errorf("customalgorithm: Period is %v: must be 1µs to %v", l.Period, maxPeriod)
	case l.Period%time.Microsecond != 0:
		return nil, fmt.Errorf("customalgorithm: Period is %v: must be whole microseconds", l.Period)
	}
	w := window{limit: l.Rate, period: l.Period.Microseconds()}
	return &algorithm.Plan{
		Name:   "fixed_window",
		Lua:    lua,
		Params: []int64{w.limit, w.period},
		Limit:  w.limit,
		Step:   w.step,
		Bound:  l.bound,
	}, nil
}

// bound returns Rate for each window that a closed interval of length d can touch.
func (l Limit) bound(d time.Duration) int64 {
	windows := 1 + uint64(d/l.Period)
	if d%l.Period > 0 {
		windows++
	}
	if hi, lo := bits.Mul64(uint64(l.Rate), windows); hi == 0 && lo <= math.MaxInt64 {
		return int64(lo)
	}
	return math.MaxInt64
}
