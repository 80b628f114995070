package algorithm_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/slidingwindow"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/internal/virtualclock"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// raw writes and reads states as they stand in Redis.
var (
	putScript = store.NewScript("put", `
local bytes = {}
for i, b in ipairs(ARGV) do bytes[i] = string.char(tonumber(b)) end
redis.call('SET', KEYS[1], table.concat(bytes))
return {0}`)
	dropScript = store.NewScript("drop", "redis.call('DEL', KEYS[1]) return {0}")
	getScript  = store.NewScript("get", "return {string.byte(redis.call('GET', KEYS[1]) or '', 1, -1)}")
)

func put(t testing.TB, s store.Store, key, text string) {
	script, args := putScript, make([]int64, len(text))
	for i := range args {
		args[i] = int64(text[i])
	}
	if text == "" {
		script = dropScript
	}
	_, err := s.Run(context.Background(), script, []string{key}, args)
	require.NoError(t, err)
}

func get(t testing.TB, s store.Store, key string) string {
	reply, err := s.Run(context.Background(), getScript, []string{key}, nil)
	require.NoError(t, err)
	text := make([]byte, len(reply))
	for i, b := range reply {
		text[i] = byte(b)
	}
	return string(text)
}

// TestWild drives the Lua and Step in lock step where there is no past for a
// judge to know: clocks that jump either way, limits that change, states that
// are garbage. Outcomes and states must be equal, and no state may lock out for
// longer than a fresh one's refill twice over.
func TestWild(t *testing.T) {
	kinds := map[string][]algorithm.Algorithm{
		"TokenBucket": {
			tokenbucket.Limit{Rate: 10, Period: time.Second}, tokenbucket.Limit{Rate: 7, Period: time.Second, Burst: 3},
			tokenbucket.Limit{Rate: 97, Period: time.Minute, Burst: 1000}, tokenbucket.Limit{Rate: 1e6, Period: time.Second},
			tokenbucket.Limit{Rate: 3_000_017, Period: time.Second, Burst: 5},
			tokenbucket.Limit{Rate: 1e6, Period: time.Second, Burst: 3e15},
			tokenbucket.Limit{Rate: 2_999_999_999_999_999, Period: 5_100_000_000_000_001 * time.Microsecond, Burst: 2},
		},
		"SlidingWindow": {
			slidingwindow.Limit{Rate: 10, Period: time.Second}, slidingwindow.Limit{Rate: 100, Period: time.Minute},
			slidingwindow.Limit{Rate: 7, Period: 700 * time.Millisecond}, slidingwindow.Limit{Rate: 1e6, Period: time.Hour},
			slidingwindow.Limit{Rate: 20_000, Period: 999_983 * time.Microsecond},
		},
		"SlidingLog": {
			slidingwindow.Log{Rate: 10, Period: time.Second}, slidingwindow.Log{Rate: 100, Period: time.Minute},
			slidingwindow.Log{Rate: 3, Period: 700 * time.Millisecond},
		},
	}
	for _, server := range servers {
		for kind, limits := range kinds {
			t.Run(server.name+"/"+kind, func(t *testing.T) {
				wild(t, server.open(t), limits, 3000)
			})
		}
	}
}

func wild(t *testing.T, s store.Store, limits []algorithm.Algorithm, ops int) {
	rnd := rand.New(rand.NewPCG(1, 2))
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	key, state := fmt.Sprintf("wild:%T", limits[0]), ""
	put(t, s, key, state)
	for range ops {
		limit := limits[rnd.IntN(len(limits))]
		plan := compile(t, limit)
		program, err := algorithm.Compose(plan)
		require.NoError(t, err)
		refill := refillTime(plan)
		if rnd.IntN(20) == 0 {
			state = garbage(rnd, state, now)
			put(t, s, key, state)
		}
		jump := []int64{1, refill / 10, refill, 3 * refill, 1e6 * 86400}[rnd.IntN(5)]
		now += rnd.Int64N(2*jump+1) - jump*int64(rnd.IntN(2))
		now = min(max(now, 1e15), 8e15)
		n := []int64{0, 1, 1, 1, plan.Limit, 1 + rnd.Int64N(plan.Limit), plan.Limit + 1}[rnd.IntN(7)]

		args := program.AppendDecision(program.AppendParams(nil), n, 0)
		reply, err := s.Run(context.Background(), virtualclock.Script(program.Script()), []string{key}, append(args, now))
		about := fmt.Sprintf("%#v, n %d at %d, state %q", limit, n, now, state)
		require.NoError(t, err, about)
		require.NoError(t, program.CheckReply(reply, 1), about)
		got, err := program.Outcome(reply, 0, 0)
		require.NoError(t, err, about)
		next, want := plan.Step(state, now, n)
		if next != state && want.ResetAfter == 0 {
			next = "" // says nothing, so it is not kept
		}
		require.Equal(t, want, got, about)
		if n <= plan.Limit {
			require.LessOrEqual(t, got.RetryAfter, 2*refill, "locked out: %s", about)
		}
		require.LessOrEqual(t, got.ResetAfter, 2*refill, "locked out: %s", about)
		if next != state || rnd.IntN(20) == 0 {
			require.Equal(t, next, get(t, s, key), "state after %s", about)
		}
		state = next
	}
}

// refillTime is the ResetAfter of a fresh identity that took all, at worst.
func refillTime(plan *algorithm.Plan) int64 {
	const windowStart = 0
	_, out := plan.Step("", windowStart, plan.Limit)
	return out.ResetAfter
}

func garbage(rnd *rand.Rand, state string, now int64) string {
	random := make([]byte, rnd.IntN(40))
	digits := make([]byte, rnd.IntN(40))
	for i := range random {
		random[i] = byte(rnd.IntN(256))
	}
	for i := range digits {
		digits[i] = byte('0' + rnd.IntN(10))
	}
	switch rnd.IntN(10) {
	case 0:
		return string(random)
	case 1:
		return string(digits)
	case 2:
		return fmt.Sprintf("%d%016d", rnd.IntN(2000), now+rnd.Int64N(1e13)-5e12)
	case 3:
		return fmt.Sprintf("%d%016d.%d", rnd.IntN(2000), now-rnd.Int64N(1e8), rnd.Int64())
	case 4:
		return fmt.Sprintf("%d:%d:%d", now-rnd.Int64N(1e8), rnd.Int64(), rnd.IntN(5))
	case 5:
		return fmt.Sprintf("%d%04d%04d", (now+rnd.Int64N(1e13)-5e12)/1e6, rnd.IntN(10000), rnd.IntN(10000))
	case 6:
		return strings.Repeat(string(random), 7)
	case 7:
		return []string{"", "1", "-1", "nan", "inf", "0x10", "1e3", " 12 ", "1732400000123456.5", "00000000000000000", ":", "::", "1:1:", "\x00\n:"}[rnd.IntN(14)]
	case 8:
		return strings.Repeat("9", 10+rnd.IntN(400))
	}
	return state + state
}
