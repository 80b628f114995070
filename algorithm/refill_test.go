package algorithm_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// TestRefillIsQuick: the token bucket's Lua finds out in a handful of steps how many units
// have come back, even if millions come back within a microsecond. A loop over these would
// block Redis. The test counts the calls of the Lua function due.
func TestRefillIsQuick(t *testing.T) {
	const enough = 10
	counted := func(plan *algorithm.Plan) *store.Script {
		const due = "local function due(k, f, q, m, d)\n"
		require.Equal(t, 1, strings.Count(plan.Lua, due))
		return store.NewScript("counted", "local dues = 0\n"+strings.Replace(plan.Lua, due, due+"dues = dues + 1\n", 1)+`
local a = {}
for i = 1, #ARGV do a[i] = tonumber(ARGV[i]) end
step(unpack(a))
return {dues}`)
	}
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			s := server.open(t)
			for _, limit := range []tokenbucket.Limit{
				{Rate: 10, Period: time.Second},
				{Rate: 7, Period: 366 * day, Burst: 990},
				{Rate: 999_983, Period: time.Second},
				{Rate: 12_500_000_000, Period: 3 * time.Second, Burst: 70_000},
				{Rate: 16_777_217, Period: 8 * time.Microsecond},
				{Rate: 94_000_001, Period: 2 * time.Microsecond, Burst: 94_000_000},
				{Rate: 1 << 20, Period: (1<<20 - 1) * time.Microsecond, Burst: 1 << 30},
			} {
				plan := compile(t, limit)
				burst, q, m, d := plan.Params[0], plan.Params[1], plan.Params[2], plan.Params[3]
				refill := plan.Window.Microseconds()
				for _, f := range []int64{0, 1, d / 2, d - 1} {
					for _, e := range []int64{0, 1, 2, q, q + 1, refill / 3, refill - 1, refill} {
						now := 1_782_907_200_123_456 + e
						reply, err := s.Run(context.Background(), counted(plan), nil,
							[]int64{burst, now - e, min(f, d-1), now, 1, burst, q, m, d})
						require.NoError(t, err)
						require.LessOrEqual(t, reply[0], int64(enough), "%v, %d µs after %d/%d", limit, e, f, d)
					}
				}
			}
		})
	}
}
