// Package slidingwindow limits how many units are taken within the last Period:
// by [Limit], a counter of constant size that estimates the window, or by
// [Log], which remembers every unit and is exact.
package slidingwindow

import (
	_ "embed"
	"fmt"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/internal/bound"
)

//go:embed sliding_window.lua
var windowLua string

//go:embed sliding_log.lua
var logLua string

// maxPeriod keeps sums of spans exact in a Lua number: 71 years.
const maxPeriod = 1 << 51 * time.Microsecond

// Limit is a sliding window counter: Rate units per Period.
//
// It counts the units of two fixed windows, which begin at multiples of Period since 1970,
// and assumes that those of the earlier window are spread evenly over it: when a quarter of
// the current window has passed, three quarters of them still count. (The method is known
// from Cloudflare, "How we built rate limiting capable of scaling to millions of domains",
// 2017.) An identity's state is three integers, whatever the Rate. ResetAfter is up to two
// Periods, because units taken in a window count until the end of the next one.
//
// The estimate has a price. At most Rate + Rate x d/Period units are admitted in any
// interval d: that is up to twice Rate in one Period, when a burst at the end of a window
// meets a steady flow in the next. If Rate must hold in every Period, use [Log].
//
// A limit may be changed while keys live: what was taken still counts, up to the new Rate,
// for as long as the old limit would have remembered it. If Period is shortened, the counts
// of a window that began before the last two windows of the new limit are dropped.
type Limit struct {
	// Rate is how many units may be taken in each Period: 1 to 94,906,265, the
	// square root of 2^53.
	Rate int64
	// Period is the length of the window, in whole microseconds, at most 71 years.
	Period time.Duration
}

// Log is a sliding window log: in any interval shorter than Period, at most
// Rate units are admitted. (An interval of d can hold Rate units once more for
// each whole Period in d.)
//
// It remembers the instant of each unit, in 7 bytes, all of which are read and written with
// each request that is let through. A request on a full log costs Redis some 25 µs more for
// each 1,000 of Rate, whereas a batched request on a token bucket costs 4 µs in all.
// (Requests for one identity that go to Redis together pay for that once.) To keep Redis
// from being busy for long at a time, few identities with full logs go together: 16 at a
// Rate of 1,000, 3 at 5,000, one above 9,300. A Log suits a Rate of some thousands, not of a
// million.
//
// A limit may be changed while keys live: what was taken still counts, for as long as the
// old limit would have remembered it.
type Log struct {
	// Rate is how many units may be taken in each Period: 1 to 1,000,000.
	Rate int64
	// Period is the length of the window, in whole microseconds, at most 71 years.
	Period time.Duration
}

// Compile implements [algorithm.Algorithm]. It refuses fields outside their ranges.
func (l Limit) Compile() (*algorithm.Plan, error) {
	if err := check(l.Rate, 94_906_265, l.Period); err != nil {
		return nil, err
	}
	w := window{limit: l.Rate, period: l.Period.Microseconds()}
	return &algorithm.Plan{
		Name:     "sliding_window",
		Lua:      windowLua,
		Additive: true,
		Plain:    plain,
		Params:   []int64{w.limit, w.period},
		Limit:    w.limit,
		Window:   l.Period,
		Step:     w.step,
		Bound:    func(d time.Duration) int64 { return bound.Linear(l.Rate, l.Rate, l.Period, d) },
	}, nil
}

// Compile implements [algorithm.Algorithm]. It refuses fields outside their ranges.
func (l Log) Compile() (*algorithm.Plan, error) {
	if err := check(l.Rate, 1_000_000, l.Period); err != nil {
		return nil, err
	}
	g := ledger{limit: l.Rate, period: l.Period.Microseconds()}
	return &algorithm.Plan{
		Name:     "sliding_log",
		Lua:      logLua,
		Additive: true,
		Params:   []int64{g.limit, g.period},
		Limit:    g.limit,
		Window:   l.Period,
		UnitSize: width,
		Step:     g.step,
		Bound:    func(d time.Duration) int64 { return bound.Linear(l.Rate, l.Rate, 1, d/l.Period) },
	}, nil
}

func check(rate, most int64, period time.Duration) error {
	switch {
	case rate < 1 || rate > most:
		return fmt.Errorf("slidingwindow: Rate is %d: must be 1 to %d", rate, most)
	case period < time.Microsecond || period > maxPeriod:
		return fmt.Errorf("slidingwindow: Period is %v: must be 1µs to %v", period, maxPeriod)
	case period%time.Microsecond != 0:
		return fmt.Errorf("slidingwindow: Period is %v: must be whole microseconds", period)
	}
	return nil
}
