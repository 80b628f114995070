package algorithm_test

import (
	"context"
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

// TestAcross runs the same requests by both scripts of a program: Script, and Across, which
// is for keys of several hash slots. They must give the same reply and leave the same states.
func TestAcross(t *testing.T) {
	plans := map[string]*algorithm.Plan{
		"TokenBucket": compile(t, tokenbucket.Limit{Rate: 7, Period: 10 * time.Second, Burst: 60}),
		"Window":      compile(t, slidingwindow.Limit{Rate: 40, Period: time.Hour}),
		"Log":         compile(t, slidingwindow.Log{Rate: 40, Period: time.Hour}),
		"NoParams":    rest(t, "if b > 20 then error('cannot') end return 0, 1000 - b, b, b"),
	}
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			s := server.open(t)
			for name, plan := range plans {
				t.Run(name, func(t *testing.T) {
					for seed := range uint64(40) {
						testAcross(t, s, plan, fmt.Sprint("across:", name, ":", seed), rand.New(rand.NewPCG(seed, 5)))
					}
				})
			}
		})
	}
}

func testAcross(t *testing.T, s store.Store, plan *algorithm.Plan, name string, rnd *rand.Rand) {
	program, err := algorithm.Compose(plan)
	require.NoError(t, err)
	script, across := virtualclock.Script(program.Script()), virtualclock.Script(program.Across())
	count := 1 + rnd.IntN(5)
	if plan.Params == nil {
		count++ // with a single key, an error of the algorithm is one of the script
	}
	var keys, others []string
	for i := range count {
		keys = append(keys, fmt.Sprint(name, ":", i))
		others = append(others, fmt.Sprint(name, ":other:", i))
		if rnd.IntN(5) == 0 { // a key of another type, which the script must replace
			for _, key := range []string{keys[i], others[i]} {
				_, err := s.Run(context.Background(), store.NewScript("set", "redis.call('SADD', KEYS[1], 1) return {0}"), []string{key}, nil)
				require.NoError(t, err)
			}
		}
	}
	now := int64(1_782_907_200_123_456)
	for range 4 {
		args := program.AppendParams(nil)
		ones := rnd.IntN(count + 1) // how many of the last keys are asked for one unit each
		for place := range count - ones {
			for range 1 + rnd.IntN(3) {
				args = program.AppendRepeats(args, rnd.Int64N(4), 1+rnd.IntN(20), place)
			}
		}
		if ones > 0 {
			args = program.AppendOnes(args, count-ones)
		}
		args = append(args, now)
		want, err := s.Run(context.Background(), script, keys, args)
		require.NoError(t, err)
		runs := []store.Run{{Keys: others, Args: args}}
		s.(store.Spanning).RunAcross(context.Background(), across, runs)
		require.NoError(t, runs[0].Err)
		require.Equal(t, want, runs[0].Reply)
		for i := range keys {
			require.Equal(t, state(t, s, keys[i]), state(t, s, others[i]))
		}
		now += rnd.Int64N(4_000_000)
	}
}

// state returns the bytes of a key's state, or -1 if the key is of another type.
func state(t *testing.T, s store.Store, key string) []int64 {
	script := store.NewScript("state", "local text = redis.pcall('GET', KEYS[1])\n"+
		"if type(text) == 'table' then return {-1} end return {string.byte(text or '', 1, -1)}")
	reply, err := s.Run(context.Background(), script, []string{key}, nil)
	require.NoError(t, err)
	return reply
}

// TestAcrossJoint: several limits have no Across script, since the keys of a joint decision
// are in one hash slot.
func TestAcrossJoint(t *testing.T) {
	plan := compile(t, tokenbucket.Limit{Rate: 7, Period: time.Second})
	program, err := algorithm.Compose(plan, plan)
	require.NoError(t, err)
	require.Nil(t, program.Across())
}
