package algorithm_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// TestNeighbours: in one run, a key of another type is replaced, and an algorithm that raises
// an error on the state of one key fails for that key only.
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
					args = program.AppendRequest(args, 1, i)
					if len(limits) > 1 {
						args = program.AppendRequest(args, 1, len(keys))
					}
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

			// If the key is the only one, the error is the script's own.
			program, err := algorithm.Compose(&broken)
			require.NoError(t, err)
			_, err = s.Run(ctx, program.Script(), keys[1:2], program.AppendRequest(program.AppendParams(nil), 1, 0))
			require.ErrorContains(t, err, "cannot")
		})
	}
}
