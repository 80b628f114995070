package algorithm_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/slidingwindow"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// addScript changes the state in KEYS[1] as add says, and puts in KEYS[2] what write makes of
// the new state. It replies 1 if there is something to add, 2 if there is a text to put in
// place, and 0 if add declines.
const addScript = `
local a, b, c, k = read(redis.call('GET', KEYS[1]))
local more, other = add(a, b, c, k, tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]))
if more then redis.call('INCRBY', KEYS[1], more) elseif other then redis.call('SET', KEYS[1], other) end
redis.call('SET', KEYS[2], (write(tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]))))
return {more and 1 or other and 2 or 0}`

// TestAdd: if add changes a state in place, the result must be the text that write would have
// made of the new state, with the promise of the old text. An integer is added to; any other
// text is replaced. States are drawn from around the edges of what a text can hold.
func TestAdd(t *testing.T) {
	const epoch, bucketBegin, bucketEnd = int64(1_600_000_000_000_000), int64(1_700_000_000_000_000), int64(2_600_000_000_000_000)
	rnd := rand.New(rand.NewPCG(4, 5))
	near := func(values ...int64) int64 { return values[rnd.IntN(len(values))] + rnd.Int64N(3) - 1 }
	for _, c := range []struct {
		name    string
		plan    *algorithm.Plan
		promise func(text string) byte
		// draw returns the text of a state that has a promise, the new state a, b, c, and
		// till, the time until which the new state must be kept.
		draw func() (text string, a, b, c, till int64)
		most float64 // the largest share of cases that add may decline
	}{
		{
			"TokenBucket", compile(t, tokenbucket.Limit{Rate: 1, Period: 1000000}),
			func(text string) byte {
				if strings.Contains(text, ".") {
					return text[len(text)-1]
				}
				return text[len(text)-16]
			},
			func() (string, int64, int64, int64, int64) {
				if rnd.IntN(3) == 0 {
					u, t, k := max(1, near(1, 921, 9999, 1<<31, 1<<52)), near(1, 999_999_999, bucketBegin, 1_782_907_200_123_456, 1<<53-1e9), 1+rnd.Int64N(9)
					u2, t2 := max(1, near(u, u, u+1000, 921)), t+rnd.Int64N(1_500_000)
					f := func() int64 { return max(0, near(0, 1, 5, 9999, 1<<31, 1<<52)) }
					return fmt.Sprintf("%d.%4d.%4d.%d", t, u, f(), k), u2, t2, f(), t2 + rnd.Int64N(1_000_000)
				}
				u := max(1, min(921, near(1, 9, 99, 100, 500, 921)))
				t := min(bucketEnd-1, max(bucketBegin, near(bucketBegin, bucketBegin+999_999_999, 1_782_907_200_123_456, bucketEnd-1, bucketEnd-20_000_000)))
				k := 1 + rnd.Int64N(9)
				u2, t2 := max(0, near(0, u, u+1, u-1, u+100, u-100, 921, 922)), t+near(0, 1, 999_999_999, 1_500_000, rnd.Int64N(1e11), -1_000_000)
				f := []int64{0, 0, 0, 0, 0, 0, 0, 1}[rnd.IntN(8)]
				return fmt.Sprintf("%d%d%d", u, k, t-epoch), u2, t2, f, t2 + rnd.Int64N(1_000_000)
			}, 0.8,
		},
		{
			"Window", compile(t, slidingwindow.Limit{Rate: 100, Period: 60000000000}),
			func(text string) byte {
				if strings.Contains(text, ":") {
					return text[len(text)-1]
				}
				return text[0]
			},
			func() (string, int64, int64, int64, int64) {
				if rnd.IntN(3) == 0 {
					c, p, s := max(0, near(0, 9999, 1<<45)), max(0, near(0, 9999, 1<<45)), 1_782_907_200_500_000+rnd.Int64N(2)
					return fmt.Sprintf("%d:%d:%d:%d", s, c, p, 1+rnd.Int64N(8)), c + rnd.Int64N(3), p, s, s + rnd.Int64N(20_000_000)
				}
				c, p, s := max(0, min(9999, near(0, 9, 10, 999, 9999))), max(0, min(9999, near(0, 500, 9999))), 1_782_907_200+rnd.Int64N(2)
				k := 1 + rnd.Int64N(8)
				c2, p2, s2 := max(0, near(c, c+1, c-1, 10_000, 0)), max(0, near(p, p, p, p-1)), (1_782_907_200+rnd.Int64N(2))*1_000_000
				return fmt.Sprintf("%d%d%04d%04d", k, s, c, p), c2, min(9999, p2), s2, s2 + rnd.Int64N(20_000_000)
			}, 0.9,
		},
	} {
		for _, server := range servers {
			t.Run(c.name+"/"+server.name, func(t *testing.T) {
				s, keys := server.open(t), []string{"added", "written"}
				script := store.NewScript("add", c.plan.Lua+addScript)
				const cases = 1500
				refused, others := 0, 0
				for range cases {
					text, a, b, d, till := c.draw()
					put(t, s, keys[0], text)
					reply, err := s.Run(context.Background(), script, keys, []int64{a, b, d, till})
					about := fmt.Sprintf("%s and %d, %d, %d", text, a, b, d)
					require.NoError(t, err, about)
					if slices.Equal(reply, []int64{0}) {
						refused++
						continue
					}
					others += int(reply[0] - 1)
					sum := get(t, s, keys[0])
					require.Equal(t, get(t, s, keys[1]), c.plan.Plain(sum), about)
					require.Equal(t, string(c.promise(text)), string(c.promise(sum)), about)
				}
				t.Logf("%d of %d refused, %d put in another's place", refused, cases, others)
				require.Less(t, float64(refused), c.most*cases)
				require.Greater(t, others, cases/10)
			})
		}
	}
}
