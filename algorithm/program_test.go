package algorithm_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

func ints(ints ...int64) (b []byte) {
	for _, v := range ints {
		b = binary.BigEndian.AppendUint64(b, uint64(v))
	}
	return b
}

func intsOf(b []byte) (ints []int64) {
	for ; len(b) >= 8; b = b[8:] {
		ints = append(ints, int64(binary.BigEndian.Uint64(b)))
	}
	return ints
}

// FuzzOutcome: whatever integers a server replies with, Program returns a possible outcome or
// an error.
func FuzzOutcome(f *testing.F) {
	f.Add(ints(1_700_000_000_123_456, 0, 9, 100_000), uint8(1))
	f.Add(ints(1_700_000_000_123_456, 0, 9, 100_000, -1, 10, 0, -2, 0, 0), uint8(3))
	f.Add(ints(-1, 0, 0, 0), uint8(1))
	f.Add(ints(1<<53+1, 0, 0, 0), uint8(1))
	f.Add(ints(1, -3, 0, 0), uint8(1))
	f.Add(ints(1, 0, 11, 0), uint8(1))
	f.Add(ints(1, 0, 0, -1), uint8(1))
	f.Add(ints(1), uint8(0))
	f.Add([]byte{}, uint8(255))
	plan := compile(f, tokenbucket.Limit{Rate: 10, Period: time.Second})
	f.Fuzz(func(t *testing.T, b []byte, decisions uint8) {
		reply := intsOf(b)
		for limits := 1; limits <= 2; limits++ {
			program, err := algorithm.Compose([]*algorithm.Plan{plan, plan}[:limits]...)
			require.NoError(t, err)
			if err := program.CheckReply(reply, int(decisions)); err != nil {
				require.ErrorIs(t, err, store.ErrReply)
				continue
			}
			require.GreaterOrEqual(t, program.Now(reply), int64(0))
			for i := range int(decisions) {
				for j := range limits {
					out, err := program.Outcome(reply, i, j)
					if err != nil {
						require.True(t, errors.Is(err, store.ErrReply) || errors.Is(err, algorithm.ErrFailed), err)
						continue
					}
					requirePossible(t, out, plan.Limit, program.Now(reply))
				}
			}
		}
	})
}

func requirePossible(t *testing.T, out algorithm.Outcome, limit, now int64) {
	r := out.Result(limit, now)
	require.Equal(t, r.Allowed, r.RetryAfter == 0)
	require.GreaterOrEqual(t, r.RetryAfter, time.Duration(0))
	require.GreaterOrEqual(t, r.ResetAfter, time.Duration(0))
	require.LessOrEqual(t, r.Remaining, r.Limit)
	require.GreaterOrEqual(t, r.Remaining, int64(0))
}

// TestScripts: limits of one kind share their scripts, as long as there are few kinds.
func TestScripts(t *testing.T) {
	t.Run("Shared", testScriptsAreShared)
	t.Run("Bounded", testScriptsAreBounded) // last, since it leaves no room for other scripts
}

// A process may have thousands of limiters of one algorithm. If they did not share scripts,
// each would keep tens of kilobytes of its own.
func testScriptsAreShared(t *testing.T) {
	compose := func(change func(*algorithm.Plan), rates ...int64) *algorithm.Program {
		plans := make([]*algorithm.Plan, len(rates))
		for i, rate := range rates {
			plan, err := tokenbucket.Limit{Rate: rate, Period: time.Second}.Compile()
			require.NoError(t, err)
			change(plan)
			plans[i] = plan
		}
		program, err := algorithm.Compose(plans...)
		require.NoError(t, err)
		return program
	}
	as := func(*algorithm.Plan) {}
	one, two := compose(as, 1), compose(as, 1, 2)
	require.Same(t, one.Script(), compose(as, 3).Script())
	require.Same(t, one.Across(), compose(as, 3).Across())
	require.Same(t, two.Script(), compose(as, 3, 4).Script())
	require.Nil(t, two.Across())
	require.NotSame(t, two.Script(), compose(as, 1, 2, 3).Script())
	require.Equal(t, []int64{3}, compose(as, 3).AppendParams(nil)[:1], "parameters are the limit's own")

	for name, change := range map[string]func(*algorithm.Plan){
		"Name":     func(p *algorithm.Plan) { p.Name = "another" },
		"Lua":      func(p *algorithm.Plan) { p.Lua += "\n" },
		"Additive": func(p *algorithm.Plan) { p.Additive = !p.Additive },
		"Plain":    func(p *algorithm.Plan) { p.Plain = nil },
		"Params":   func(p *algorithm.Plan) { p.Params = append(p.Params, 0) },
	} {
		require.NotSame(t, one.Script(), compose(change, 1).Script(), name)
		require.NotSame(t, two.Script(), compose(change, 1, 2).Script(), name)
	}
}

// An algorithm may write new Lua for each limit, so not all scripts may be kept: at some point,
// to compose the same plan twice makes two.
func testScriptsAreBounded(t *testing.T) {
	plan, err := tokenbucket.Limit{Rate: 1, Period: time.Second}.Compile()
	require.NoError(t, err)
	lua := plan.Lua
	for i := range 200 {
		plan.Lua = fmt.Sprintf("%s\n-- %d\n", lua, i)
		first, err := algorithm.Compose(plan)
		require.NoError(t, err)
		second, err := algorithm.Compose(plan)
		require.NoError(t, err)
		require.Equal(t, first.Script().Source(), second.Script().Source())
		if first.Script() != second.Script() {
			return
		}
	}
	t.Fatal("all are kept")
}
