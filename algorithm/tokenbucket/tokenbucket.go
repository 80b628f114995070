// Package tokenbucket is the token bucket algorithm: a bucket of Burst units that is
// refilled at Rate units per Period. It allows bursts and holds the average exactly.
//
// It is the algorithm to begin with. An identity's state is two integers, or three if units
// come back at fractions of a microsecond.
package tokenbucket

import (
	_ "embed"
	"fmt"
	"math"
	"math/bits"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/internal/bound"
)

//go:embed token_bucket.lua
var lua string

// Limit is a token bucket. A fresh identity has Burst units. Each request takes some; they
// come back one by one, one every Period/Rate, until there are Burst again. That quotient is
// never rounded: 7 a second are exactly 7 x 3600 an hour.
//
// At most Burst + Rate x d/Period units are admitted in any interval d.
//
// A limit may be changed while keys live. What counts is how many units an identity owes: a
// raised Burst or Rate helps at once, and under a lowered Burst no identity owes more than
// that. A debt is remembered for as long as the limit under which units were last taken would
// need to refill it.
type Limit struct {
	// Rate is how many units come back in each Period, at least 1.
	Rate int64
	// Period is the time in which Rate units come back, in whole microseconds.
	Period time.Duration
	// Burst is the most units that there are, which can all be taken at once. 0 means Rate.
	Burst int64
}

// maxRefill is 142 years, in µs. A bucket must fill in less time. Twice maxRefill is exact in a
// Lua number.
const maxRefill = 1 << 52

// maxExact is the limit up to which a double represents every integer.
const maxExact = 1 << 53

// Compile implements [algorithm.Algorithm]. It refuses a Rate below 1, a Period below 1 µs
// or not in whole µs, a negative Burst, and a limit that cannot be counted exactly in
// integers below 2^53. Such a limit is a bucket that takes more than 142 years to fill, or
// one with (Burst + 1) x Rate above 2^53 after Rate and Period (in µs) are reduced to lowest
// terms. No Rate and Burst of up to ten million each are refused for the latter reason.
func (l Limit) Compile() (*algorithm.Plan, error) {
	if l.Rate < 1 {
		return nil, fmt.Errorf("tokenbucket: Rate is %d: must be at least 1", l.Rate)
	}
	if l.Period < time.Microsecond {
		return nil, fmt.Errorf("tokenbucket: Period is %v: must be at least 1µs", l.Period)
	}
	if l.Period%time.Microsecond != 0 {
		return nil, fmt.Errorf("tokenbucket: Period is %v: must be whole microseconds", l.Period)
	}
	if l.Burst < 0 {
		return nil, fmt.Errorf("tokenbucket: Burst is %d: must be at least 1, or 0 for Rate", l.Burst)
	}
	burst, field := l.Burst, "Burst"
	if burst == 0 {
		burst, field = l.Rate, "Rate"
	}
	period := l.Period.Microseconds()
	g := gcd(l.Rate, period)
	b := &bucket{burst: burst, cost: period / g, d: l.Rate / g}
	b.q, b.m = b.cost/b.d, b.cost%b.d

	if hi, lo := bits.Mul64(uint64(burst)+1, uint64(b.d)); hi > 0 || lo > maxExact {
		switch most := b.mostBurst(); {
		case b.d > maxExact/2:
			return nil, fmt.Errorf("tokenbucket: Rate is %d: too large to be exact, whatever the Burst: in lowest terms it is %d per %d µs, where at most 2^52 are exact", l.Rate, b.d, b.cost)
		case most > 0: // otherwise a single unit takes too long, as is said below
			return nil, fmt.Errorf("tokenbucket: %s is %d: too large to be exact at a Rate of %d per %v, where Burst (or Rate, if Burst is 0) must be at most %d", field, burst, l.Rate, l.Period, most)
		}
	}
	hi, lo := bits.Mul64(uint64(burst), uint64(b.cost))
	refill, rest := uint64(math.MaxUint64), uint64(0)
	if hi < uint64(b.d) && burst <= 1<<52 {
		refill, rest = bits.Div64(hi, lo, uint64(b.d))
	}
	if refill >= maxRefill {
		return nil, fmt.Errorf("tokenbucket: %s is %d: %d units at a Rate of %d per %v take more than 142 years to come back", field, burst, burst, l.Rate, l.Period)
	}
	return &algorithm.Plan{
		Name:     "token_bucket",
		Lua:      lua,
		Additive: true,
		Plain:    plain,
		Params:   []int64{burst, b.q, b.m, b.d},
		Limit:    burst,
		Window:   time.Duration(refill)*time.Microsecond + time.Duration(rest*1000/uint64(b.d)),
		Step:     b.step,
		Bound:    func(d time.Duration) int64 { return bound.Linear(burst, l.Rate, l.Period, d) },
	}, nil
}

// mostBurst returns the greatest Burst that Compile takes at b's rate, or less than 1 if
// it takes none: (Burst+1) x d is at most 2^53, and Burst x cost/d less than maxRefill.
func (b *bucket) mostBurst() int64 {
	most := maxExact/b.d - 1
	hi, lo := bits.Mul64(maxRefill, uint64(b.d))
	lo, borrow := bits.Sub64(lo, 1, 0)
	if hi -= borrow; most > 0 && hi < uint64(b.cost) { // otherwise the quotient is above 2^64
		q, _ := bits.Div64(hi, lo, uint64(b.cost))
		most = int64(min(uint64(most), q))
	}
	return most
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
