package algorithm_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/slidingwindow"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/internal/virtualclock"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

var exactOps = flag.Int("exact.ops", 20_000, "decisions of TestExact for each algorithm on each server")

// TestExact tries each of these rates with each period, each clock and each kind. Among them
// are primes whose products exceed 2^53. The log accepts all of them too, but is tried with
// rates up to 999 only, since its state lists every unit.
var (
	exactRates   = []int64{1, 2, 3, 6, 7, 10, 20, 60, 97, 999, 1e4, 999_983, 1e6}
	exactPeriods = []time.Duration{time.Millisecond, 7 * time.Millisecond, 100 * time.Millisecond, 999_983 * time.Microsecond,
		time.Second, time.Minute, time.Hour, day, 30 * day, 366*day - time.Microsecond}
	exactClocks = []time.Time{
		time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Unix(1<<30, 0), time.Unix(3<<29, 0), time.Unix(7<<28, 0), time.Unix(1<<31, 0), // 2004 to 2038
		time.Date(2034, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Unix(1<<32, 0), // 2106
		time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	exactKinds = []struct {
		name string
		make func(rate int64, period time.Duration) algorithm.Algorithm
	}{
		{"TokenBucket", func(rate int64, period time.Duration) algorithm.Algorithm {
			return tokenbucket.Limit{Rate: rate, Period: period}
		}},
		{"TokenBucketBurst", func(rate int64, period time.Duration) algorithm.Algorithm {
			return tokenbucket.Limit{Rate: rate, Period: period, Burst: 1 + rate%13}
		}},
		{"SlidingWindow", func(rate int64, period time.Duration) algorithm.Algorithm {
			return slidingwindow.Limit{Rate: rate, Period: period}
		}},
		{"SlidingLog", func(rate int64, period time.Duration) algorithm.Algorithm {
			return slidingwindow.Log{Rate: min(rate, 999), Period: period}
		}},
	}
)

// TestExact compares whole outcomes, those of the real Lua and those of Step, with a judge
// that computes in rational numbers. It covers a grid of rates, periods and clocks, and aims
// its waits at the instants at which something changes.
func TestExact(t *testing.T) {
	for _, server := range servers {
		for _, kind := range exactKinds {
			t.Run(server.name+"/"+kind.name, func(t *testing.T) {
				s := server.open(t)
				limits := len(exactRates) * len(exactPeriods) * len(exactClocks)
				ops := max(1, *exactOps/limits)
				seed := uint64(0)
				total := 0
				for _, rate := range exactRates {
					for _, period := range exactPeriods {
						for _, clock := range exactClocks {
							seed++
							limit := kind.make(rate, period)
							total += exactRun(t, s, kind.name, limit, clock, ops, seed)
						}
					}
				}
				t.Logf("%d decisions of %d limits, no difference", total, limits)
			})
		}
	}
}

// exactRun makes about ops decisions, several in a run, for a few identities, and returns how
// many it made.
func exactRun(t *testing.T, s store.Store, name string, limit algorithm.Algorithm, clock time.Time, ops int, seed uint64) int {
	const identities = 4
	plan := compile(t, limit)
	program, err := algorithm.Compose(plan)
	require.NoError(t, err)
	script := virtualclock.Script(program.Script())
	rnd := rand.New(rand.NewPCG(seed, 1))
	unit := plan.Bound(0)

	var keys []string
	var judges []judge
	states := make([]string, identities)
	for i := range identities {
		keys = append(keys, fmt.Sprintf("exact:%s:%d:%d", name, seed, i))
		judges = append(judges, newJudge(t, limit))
	}
	now := clock.UnixMicro() - int64(rnd.IntN(3))
	waits := []int64{1}
	done := 0
	for done < ops && now < 9e15 { // beyond 2^53 µs, in 2255, Lua is not exact
		args := program.AppendParams(nil)
		type request struct {
			key int
			n   int64
		}
		var requests []request
		// A single request takes a path of its own in the harness.
		names, count, alone := keys, 1+rnd.IntN(2*identities), rnd.IntN(identities)
		single := rnd.IntN(2) == 0
		if single {
			names, count = keys[alone:alone+1], 1
		}
		begins := map[int]bool{} // the requests that begin a row
		for range count {
			r := request{key: rnd.IntN(identities), n: 1}
			if single {
				r.key = alone
			}
			switch rnd.IntN(8) {
			case 0:
				r.n = 0
			case 1:
				r.n = unit
			case 2:
				r.n = unit + 1
			case 3, 4:
				r.n = 1 + rnd.Int64N(unit)
			}
			place := r.key
			if single {
				place = 0
			}
			follow := 0
			if rnd.IntN(4) == 0 {
				follow = rnd.IntN(12)
			}
			args = program.AppendRepeats(args, r.n, 1+follow, place)
			begins[len(requests)] = true
			requests = append(requests, slices.Repeat([]request{r}, 1+follow)...)
		}
		reply, err := s.Run(context.Background(), script, names, append(args, now))
		require.NoError(t, err)
		outcomes, err := program.Outcomes(reply)
		require.NoError(t, err)
		require.Equal(t, now, program.Now(reply))
		waits = waits[:0]
		for i, r := range requests {
			if begins[i] {
				outcomes.Row(r.n)
			}
			got, err := outcomes.Next()
			require.NoError(t, err)
			next, want := plan.Step(states[r.key], now, r.n)
			about := fmt.Sprintf("%#v, n %d at %d, state %q", limit, r.n, now, states[r.key])
			require.Equal(t, want, got, "Lua against Step: %s", about)
			if !got.Allowed() || r.n == 0 {
				require.Equal(t, states[r.key], next, "what takes nothing changes nothing: %s", about)
			}
			states[r.key] = next
			verify(judged{t, about}, judges[r.key], plan.Limit, now, r.n, got)
			waits = append(waits, got.RetryAfter, got.ResetAfter)
			done++
		}
		require.NoError(t, outcomes.End())
		now += wait(rnd, waits)
	}
	return done
}

// judged is a TB that begins each failure with what it is about.
type judged struct {
	testing.TB
	about string
}

func (j judged) Errorf(format string, args ...any) {
	j.Helper()
	j.TB.Errorf("%s: "+format, append([]any{j.about}, args...)...)
}

// wait picks a time to let pass: none, 1 µs, until just before or just when something
// changes, or a random one.
func wait(rnd *rand.Rand, waits []int64) int64 {
	w := waits[rnd.IntN(len(waits))]
	switch rnd.IntN(6) {
	case 0:
		return 0
	case 1:
		return 1
	case 2:
		return max(0, w-1)
	case 3:
		return max(0, w)
	case 4:
		return rnd.Int64N(max(1, w) + 1)
	}
	return rnd.Int64N(1 + 2*waits[len(waits)-1])
}
