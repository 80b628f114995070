package algorithm_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/slidingwindow"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
)

// TestBoundIsReached: no Bound is larger than it must be. A caller who takes each unit as
// early as possible gets as many as Bound says, or one fewer under a sliding window.
func TestBoundIsReached(t *testing.T) {
	const begin = int64(1_700_000_000_000_000) // the beginning of a second
	spend := func(plan *algorithm.Plan, state string, from, to int64) (string, int64) {
		var total int64
		for now := from; now <= to; {
			next, out := plan.Step(state, now, 1)
			state = next
			if out.Allowed() {
				total++
			}
			now += out.RetryAfter
		}
		return state, total
	}
	// A burst at the end of one window, then a steady flow through the next.
	window := compile(t, slidingwindow.Limit{Rate: 10, Period: time.Second})
	_, total := spend(window, "", begin-1, begin+999_999)
	require.Equal(t, int64(19), total)
	require.Equal(t, int64(20), window.Bound(time.Second))
	_, total = spend(window, "", begin-1, begin+1e6-1+100_000)
	require.Equal(t, window.Bound(1100*time.Millisecond)-1, total)

	bucket := compile(t, tokenbucket.Limit{Rate: 10, Period: time.Second, Burst: 5})
	_, total = spend(bucket, "", begin, begin+2e6)
	require.Equal(t, bucket.Bound(2*time.Second), total)
	require.Equal(t, int64(25), total)

	log := compile(t, slidingwindow.Log{Rate: 10, Period: time.Second})
	_, total = spend(log, "", begin, begin+999_999)
	require.Equal(t, int64(10), total)
	_, total = spend(log, "", begin, begin+1e6)
	require.Equal(t, log.Bound(time.Second), total)
}

// TestNoDrift: rounding neither gains nor loses units in the long run. In an hour, 7 a second
// are exactly 7 x 3600 beyond the burst, and so on.
func TestNoDrift(t *testing.T) {
	for rate, seconds := range map[int64]int64{3: 3600, 7: 3600, 60: 60, 97: 60, 999: 10} {
		plan := compile(t, tokenbucket.Limit{Rate: rate, Period: time.Second, Burst: 4})
		const begin = int64(1_700_000_000_123_457)
		state, total, now := "", int64(0), begin
		for now <= begin+seconds*1e6 {
			next, out := plan.Step(state, now, 1)
			state = next
			if out.Allowed() {
				total++
			}
			now += out.RetryAfter
		}
		require.Equal(t, 4+rate*seconds, total, "rate %d", rate)
	}
}

// TestOrdinaryLimitsAreNotRefused: Compile accepts any Rate up to a million in any Period of
// 1 ms to 366 days, prime or not.
func TestOrdinaryLimitsAreNotRefused(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 10))
	const shortest, longest = int64(time.Millisecond / time.Microsecond), int64(366 * day / time.Microsecond)
	for range 50_000 {
		rate := 1 + rnd.Int64N([]int64{10, 1000, 1e6}[rnd.IntN(3)])
		micros := shortest + rnd.Int64N(longest-shortest+1)
		if rnd.IntN(2) == 0 {
			micros = shortest + rnd.Int64N(1e7)
		}
		period := time.Duration(micros) * time.Microsecond
		for _, limit := range []algorithm.Algorithm{
			tokenbucket.Limit{Rate: rate, Period: period},
			slidingwindow.Limit{Rate: rate, Period: period},
			slidingwindow.Log{Rate: rate, Period: period},
		} {
			if _, err := limit.Compile(); err != nil {
				t.Fatalf("%#v: %v", limit, err)
			}
		}
	}
}

// TestExtremesAreRemembered: at the edges of what Compile accepts, a state that was written
// can still be read, so that what was taken is not forgotten.
func TestExtremesAreRemembered(t *testing.T) {
	for _, c := range []struct {
		limit algorithm.Algorithm
		n     int64
	}{
		{tokenbucket.Limit{Rate: 1e6, Period: time.Second, Burst: 3e15}, 2e15},
		{tokenbucket.Limit{Rate: 1e6, Period: time.Second, Burst: 4e15}, 4e15},
		{tokenbucket.Limit{Rate: 2_999_999_999_999_999, Period: 5_100_000_000_000_001 * time.Microsecond, Burst: 2}, 1},
		{slidingwindow.Limit{Rate: 94_906_265, Period: 1 << 51 * time.Microsecond}, 94_906_265},
		{slidingwindow.Log{Rate: 1_000_000, Period: 1 << 51 * time.Microsecond}, 1_000_000},
	} {
		plan := compile(t, c.limit)
		state, now, allowed := "", int64(1_700_000_000_000_000), int64(0)
		for range 10 {
			next, out := plan.Step(state, now, c.n)
			if out.Allowed() {
				allowed += c.n
			}
			state = next
			now += 2
		}
		require.LessOrEqual(t, allowed, plan.Bound(20*time.Microsecond), "%#v", c.limit)
	}
}
