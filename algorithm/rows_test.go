package algorithm_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/slidingwindow"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/internal/virtualclock"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// countLua is an algorithm whose state is the number of units taken. The rest of step goes in
// for %s: it returns the answer to a request that takes this number from a to b.
const countLua = `
local function read(text) return tonumber(text) or 0 end
local function write(a) return string.format('%%.0f', a) end
local function step(a, _, _, now, n)
	local b = a + n
	%s
end
`

// TestRows: the requests of a row get the outcomes that they would get one by one, and leave
// the same state, whatever the algorithm.
func TestRows(t *testing.T) {
	plans := map[string]*algorithm.Plan{
		"TokenBucket":  compile(t, tokenbucket.Limit{Rate: 40, Period: time.Hour}),
		"Uneven":       compile(t, tokenbucket.Limit{Rate: 7, Period: 10 * time.Second, Burst: 60}),
		"Window":       compile(t, slidingwindow.Limit{Rate: 40, Period: time.Hour}),
		"Log":          compile(t, slidingwindow.Log{Rate: 40, Period: time.Hour}),
		"FallsInTwos":  rest(t, "return 0, math.max(0, 100 - 2 * b), b, b"),
		"FallsAtTimes": rest(t, "return 0, 1000 - b - (b - b % 5), b, b"),
		"ResetFalls":   rest(t, "return 0, 1000 - b, 1000 - b, b"),
		"ResetJumps":   rest(t, "return 0, 1000 - b, b + 17 * (b % 3), b"),
		"ResetIsFar":   rest(t, "return 0, 1000 - b, 2^53 - (b % 2) * (2^53 - 1), b"),
		"Fails":        rest(t, "if b > 20 then error('cannot') end return 0, 1000 - b, b, b"),
		"FailsAtTimes": rest(t, "if b % 13 == 5 then error('cannot') end return 0, 1000 - b, b, b"),
		"FailsUneven":  rest(t, "if b > 20 then error('cannot') end return 0, 1000 - b, b + 3 * (b % 4), b"),
		"DeniesSome":   rest(t, "if b % 11 == 7 then return 5, 1000 - b, b, a end return 0, 1000 - b, b, b"),
		"TakesNothing": rest(t, "return 0, 1000, 0, a"),
	}
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			s := server.open(t)
			for name, plan := range plans {
				t.Run(name, func(t *testing.T) {
					for seed := range uint64(20) {
						testRows(t, s, plan, fmt.Sprint("rows:", name, ":", seed), rand.New(rand.NewPCG(seed, 3)))
					}
				})
			}
		})
	}
}

func rest(t *testing.T, lua string) *algorithm.Plan {
	plan := *compile(t, tokenbucket.Limit{Rate: 1000, Period: time.Second})
	plan.Lua, plan.Params, plan.Additive, plan.Plain = fmt.Sprintf(countLua, lua), nil, false, nil
	return &plan
}

func testRows(t *testing.T, s store.Store, plan *algorithm.Plan, name string, rnd *rand.Rand) {
	const now = int64(1_782_907_200_123_456)
	program, err := algorithm.Compose(plan)
	require.NoError(t, err)
	script := virtualclock.Script(program.Script())
	keys := []string{name + ":a", name + ":b"}
	alone := []string{name + ":a:alone", name + ":b:alone"}
	type row struct {
		n            int64
		count, place int
	}
	var rows []row
	args := program.AppendParams(nil)
	for range 1 + rnd.IntN(6) {
		r := row{rnd.Int64N(4), 1 + rnd.IntN(1+rnd.IntN(30)), rnd.IntN(2)}
		rows = append(rows, r)
		args = program.AppendRepeats(args, r.n, r.count, r.place)
	}
	reply, err := s.Run(context.Background(), script, keys, append(args, now))
	require.NoError(t, err)
	outcomes, err := program.Outcomes(reply)
	require.NoError(t, err)
	for i, r := range rows {
		outcomes.Row(r.n)
		var want algorithm.Outcome
		var failure error
		for j := range r.count {
			if failure == nil && want.Allowed() { // after a denial or a failure, the others get the same
				want, failure = decideAlone(t, s, program, script, alone, r.n, r.place, now)
			}
			got, err := outcomes.Next()
			about := fmt.Sprintf("request %d of row %d of %v", j, i, rows)
			require.Equal(t, failure == nil, err == nil, "%s: %v", about, err)
			if failure == nil {
				require.Equal(t, want, got, about)
				continue
			}
			require.ErrorIs(t, err, algorithm.ErrFailed, about)
		}
	}
	require.NoError(t, outcomes.End())
	for i := range keys {
		require.Equal(t, plain(plan, get(t, s, alone[i])), plain(plan, get(t, s, keys[i])), "state after %v", rows)
	}
}

// plain returns the text of the same state without a promise of how long its key lives.
func plain(plan *algorithm.Plan, text string) string {
	if plan.Plain == nil {
		return text
	}
	return plan.Plain(text)
}

// decideAlone decides one request in a run that has no other request for its key.
func decideAlone(t *testing.T, s store.Store, p *algorithm.Program, script *store.Script, keys []string, n int64, place int, now int64) (algorithm.Outcome, error) {
	// With a second key, an error of the algorithm is not one of the whole script.
	args := p.AppendRequest(p.AppendRequest(p.AppendParams(nil), n, place), 0, 1-place)
	reply, err := s.Run(context.Background(), script, keys, append(args, now))
	require.NoError(t, err)
	require.NoError(t, p.CheckReply(reply, 2))
	out, err := p.Outcome(reply, 0, 0)
	if !errors.Is(err, algorithm.ErrFailed) {
		require.NoError(t, err)
	}
	return out, err
}
