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

// TestJoint decides three limits of different algorithms and one of the same
// twice over, many requests in a run, and holds all outcomes and all states to
// what the Steps say: all or nothing.
func TestJoint(t *testing.T) {
	limits := []*algorithm.Plan{
		compile(t, tokenbucket.Limit{Rate: 7, Period: time.Second, Burst: 5}),
		compile(t, slidingwindow.Limit{Rate: 20, Period: time.Minute}),
		compile(t, tokenbucket.Limit{Rate: 3, Period: time.Second}),
		compile(t, slidingwindow.Log{Rate: 9, Period: 10 * time.Second}),
	}
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			s := server.open(t)
			program, err := algorithm.Compose(limits...)
			require.NoError(t, err)
			script := virtualclock.Script(program.Script())
			rnd := rand.New(rand.NewPCG(3, 4))
			now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
			const each = 3 // keys of a limit
			var keys []string
			states := make([]string, each*len(limits))
			for i := range states {
				keys = append(keys, fmt.Sprintf("joint:%d", i))
			}
			var granted, denied int
			for range 400 {
				args := program.AppendParams(nil)
				var requests [][]int
				var ns []int64
				for range 1 + rnd.IntN(10) {
					var places []int
					for limit := range limits {
						places = append(places, each*limit+rnd.IntN(each))
					}
					n := int64(rnd.IntN(5))
					if rnd.IntN(30) == 0 {
						n = 8 // more than one of them can ever give
					}
					requests, ns = append(requests, places), append(ns, n)
					args = program.AppendDecision(args, n, places...)
				}
				reply, err := s.Run(context.Background(), script, keys, append(args, now))
				require.NoError(t, err)
				require.NoError(t, program.CheckReply(reply, len(requests)))
				for i, places := range requests {
					want, next := jointly(limits, states, places, now, ns[i])
					all := true
					for limit, place := range places {
						got, err := program.Outcome(reply, i, limit)
						require.NoError(t, err)
						require.Equal(t, want[limit], got, "request %d, limit %d, n %d", i, limit, ns[i])
						all = all && got.Allowed()
						states[place] = next[limit]
					}
					if all {
						granted++
					} else {
						denied++
					}
				}
				for i, key := range keys {
					require.Equal(t, states[i], get(t, s, key))
				}
				now += rnd.Int64N(1e6)
			}
			require.Greater(t, granted, 200)
			require.Greater(t, denied, 200)
		})
	}
}

// jointly is the specification of a joint decision.
func jointly(limits []*algorithm.Plan, states []string, places []int, now, n int64) (out []algorithm.Outcome, next []string) {
	all := true
	for i, limit := range limits {
		to, o := limit.Step(states[places[i]], now, n)
		out, next = append(out, o), append(next, to)
		all = all && o.Allowed()
	}
	for i, limit := range limits {
		if !all && out[i].Allowed() {
			next[i] = states[places[i]]
			_, out[i] = limit.Step(next[i], now, 0)
			out[i].RetryAfter = 0
		}
	}
	return out, next
}

// TestNeighbours: in one run, a key of another type is mended, and an algorithm
// that fails on one state fails for that one only.
func TestNeighbours(t *testing.T) {
	fragile := compile(t, tokenbucket.Limit{Rate: 10, Period: time.Second})
	broken := *fragile
	broken.Lua += `
local whole = step
step = function(u, ...) if u == 666 then error('cannot') end return whole(u, ...) end
local known = read
read = function(text) if text == 'unreadable' then error('cannot') end return known(text) end
`
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			s := server.open(t)
			ctx := context.Background()
			list := "neighbours:list"
			_, err := s.Run(ctx, store.NewScript("list", "redis.call('RPUSH', KEYS[1], 'x') return {1}"), []string{list}, nil)
			require.NoError(t, err)
			put(t, s, "neighbours:bad", "6661767225600000000")
			put(t, s, "neighbours:worse", "unreadable")
			keys := []string{"neighbours:good", "neighbours:bad", list, "neighbours:worse"}

			for name, limits := range map[string][]*algorithm.Plan{"single": {&broken}, "joint": {&broken, fragile}} {
				program, err := algorithm.Compose(limits...)
				require.NoError(t, err)
				keys, args := keys, program.AppendParams(nil)
				for i := range keys {
					places := []int{i}
					if len(limits) > 1 {
						places = append(places, len(keys))
					}
					args = program.AppendDecision(args, 1, places...)
				}
				if len(limits) > 1 {
					keys = append(keys, "neighbours:second")
				}
				reply, err := s.Run(ctx, program.Script(), keys, args)
				require.NoError(t, err, name)
				require.NoError(t, program.CheckReply(reply, 4), name)
				for i := range 4 {
					out, err := program.Outcome(reply, i, 0)
					if i == 1 || i == 3 {
						require.ErrorIs(t, err, algorithm.ErrFailed, name)
						continue
					}
					require.NoError(t, err, name)
					require.True(t, out.Allowed(), name)
				}
				require.Equal(t, "6661767225600000000", get(t, s, "neighbours:bad"), name)
				require.Equal(t, "unreadable", get(t, s, "neighbours:worse"), name)
			}
			require.NotEmpty(t, get(t, s, list), "the list has become a state")

			// Alone, the error is the script's own.
			program, err := algorithm.Compose(&broken)
			require.NoError(t, err)
			_, err = s.Run(ctx, program.Script(), keys[1:2], program.AppendDecision(program.AppendParams(nil), 1, 0))
			require.ErrorContains(t, err, "cannot")
		})
	}
}
