package algorithm_test

import (
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/slidingwindow"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
)

// A judge knows what one identity has taken, and says how many units are free at an instant.
// It computes in rational numbers, from nothing but the definition of the limit.
type judge interface {
	free(at int64) *big.Rat
	take(now, n int64)
}

// bucketJudge judges a token bucket, whose level rises by rate/period per µs, up to burst.
type bucketJudge struct {
	burst, perMicro *big.Rat
	level           *big.Rat
	since           int64
}

func (j *bucketJudge) free(at int64) *big.Rat {
	level := new(big.Rat).Mul(j.perMicro, new(big.Rat).SetInt64(at-j.since))
	level.Add(level, j.level)
	if level.Cmp(j.burst) > 0 {
		level.Set(j.burst)
	}
	return level
}

func (j *bucketJudge) take(now, n int64) {
	level := j.free(now)
	j.level, j.since = level.Sub(level, new(big.Rat).SetInt64(n)), now
}

// windowJudge judges a sliding window counter. It counts the units of the current window, and
// those of the window before by the share of it that still lies within a period.
type windowJudge struct {
	limit, period int64
	window        int64    // the current one's number, counted from 1970
	units         [2]int64 // of the window before, and of the current one
}

func (j *windowJudge) at(now int64) (units [2]int64) {
	switch now/j.period - j.window {
	case 0:
		return j.units
	case 1:
		return [2]int64{j.units[1], 0}
	}
	return units
}

func (j *windowJudge) free(at int64) *big.Rat {
	units := j.at(at)
	free := big.NewRat(j.period-at%j.period, j.period)
	free.Mul(free, new(big.Rat).SetInt64(units[0]))
	free.Add(free, new(big.Rat).SetInt64(units[1]))
	return free.Sub(new(big.Rat).SetInt64(j.limit), free)
}

func (j *windowJudge) take(now, n int64) {
	j.units = j.at(now)
	j.window = now / j.period
	j.units[1] += n
}

// logJudge judges a sliding log. It counts the units taken less than a period ago.
type logJudge struct {
	limit, period int64
	taken         [][2]int64 // instant, units
}

func (j *logJudge) free(at int64) *big.Rat {
	free := j.limit
	for _, t := range j.taken {
		if at-t[0] < j.period {
			free -= t[1]
		}
	}
	return new(big.Rat).SetInt64(free)
}

func (j *logJudge) take(now, n int64) {
	for len(j.taken) > 0 && now-j.taken[0][0] >= j.period {
		j.taken = j.taken[1:]
	}
	j.taken = append(j.taken, [2]int64{now, n})
}

func newJudge(t testing.TB, limit algorithm.Algorithm) judge {
	switch l := limit.(type) {
	case tokenbucket.Limit:
		burst := l.Burst
		if burst == 0 {
			burst = l.Rate
		}
		full := new(big.Rat).SetInt64(burst)
		return &bucketJudge{burst: full, level: full, perMicro: big.NewRat(l.Rate, l.Period.Microseconds())}
	case slidingwindow.Limit:
		return &windowJudge{limit: l.Rate, period: l.Period.Microseconds()}
	case slidingwindow.Log:
		return &logJudge{limit: l.Rate, period: l.Period.Microseconds()}
	}
	t.Fatalf("no judge for %T", limit)
	return nil
}

// verify compares the outcome of a request for n units at now with what j says, and tells j
// to take the units if they were granted.
func verify(t testing.TB, j judge, limit, now, n int64, out algorithm.Outcome) {
	need := new(big.Rat).SetInt64(max(n, 1))
	enough := func(at int64) bool { return j.free(at).Cmp(need) >= 0 }
	if max(n, 1) > limit {
		require.EqualValues(t, algorithm.NeverRetry, out.RetryAfter, "retry of more than the limit")
	} else {
		require.Equal(t, enough(now), out.Allowed(), "allowed")
		if !out.Allowed() {
			require.True(t, enough(now+out.RetryAfter), "allowed after RetryAfter %d", out.RetryAfter)
			require.False(t, enough(now+out.RetryAfter-1), "denied 1 µs before RetryAfter %d", out.RetryAfter)
		} else if n > 0 {
			j.take(now, n)
		}
	}
	left := j.free(now)
	floor := new(big.Int).Div(left.Num(), left.Denom()).Int64()
	require.Equal(t, max(floor, 0), out.Remaining, "remaining")

	full := new(big.Rat).SetInt64(limit)
	fresh := func(at int64) bool { return j.free(at).Cmp(full) == 0 }
	require.True(t, fresh(now+out.ResetAfter), "fresh after ResetAfter %d", out.ResetAfter)
	if out.ResetAfter > 0 {
		require.False(t, fresh(now+out.ResetAfter-1), "not fresh 1 µs before ResetAfter %d", out.ResetAfter)
	}
}

func compile(t testing.TB, limit algorithm.Algorithm) *algorithm.Plan {
	plan, err := limit.Compile()
	require.NoError(t, err)
	return plan
}

const day = 24 * time.Hour
