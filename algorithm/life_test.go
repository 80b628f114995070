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

// lifeScript returns how long a key has left to live, in ms, and then gives it 63 years. If
// the next run leaves these alone, it has changed the state in place.
var lifeScript = store.NewScript("life", `
local left = redis.call('PTTL', KEYS[1])
redis.call('PEXPIRE', KEYS[1], '2000000000000')
return {left}`)

// TestLife: the key of an identity that comes once lives no longer than it must. The key of
// one that returns lives longer, within limits, and most of the time its state is changed in
// place. (The conformance suite checks that keys live long enough.)
func TestLife(t *testing.T) {
	for _, c := range []struct {
		limit algorithm.Algorithm
		pause time.Duration // the longest between two requests
		most  int64         // how many refills a key may live
		added float64       // the least share of writes that change the state in place
	}{
		{tokenbucket.Limit{Rate: 100, Period: time.Minute}, 800 * time.Millisecond, 6, 0.9},               // with a bucket that is nearly empty
		{tokenbucket.Limit{Rate: 100, Period: time.Minute}, 2 * time.Second, 6, 0.3},                      // with few units owed
		{tokenbucket.Limit{Rate: 1000, Period: time.Second}, 100 * time.Millisecond, 6, 0.9},              // with all units back each time
		{tokenbucket.Limit{Rate: 600, Period: 24 * time.Hour}, 3 * time.Minute, 6, 0.9},                   // with a Period of a day
		{tokenbucket.Limit{Rate: 5, Period: time.Second, Burst: 2}, time.Second, 6, 0.3},                  // with a small Burst
		{tokenbucket.Limit{Rate: 70, Period: time.Minute}, 1200 * time.Millisecond, 6, 0.9},               // with units that come back at fractions of a µs
		{slidingwindow.Limit{Rate: 100, Period: time.Minute}, 800 * time.Millisecond, 3, 0.95},            // with a promise that just fits
		{slidingwindow.Limit{Rate: 1000, Period: 45 * time.Minute}, 5 * time.Second, 3, 0.95},             // with a promise that is longer than it must be
		{slidingwindow.Limit{Rate: 1000, Period: 6 * time.Hour}, time.Minute, 3, 0},                       // with no promise
		{slidingwindow.Limit{Rate: 100, Period: 5500 * time.Millisecond}, 80 * time.Millisecond, 3, 0.95}, // with a text that is no integer
		{slidingwindow.Limit{Rate: 100, Period: 1500 * time.Millisecond}, time.Millisecond, 3, 0},         // with such a text and no promise
	} {
		for _, server := range servers {
			t.Run(fmt.Sprintf("%T%+v/%s", c.limit, c.limit, server.name), func(t *testing.T) {
				s, rnd, key := server.open(t), rand.New(rand.NewPCG(1, 2)), []string{"state"}
				plan := compile(t, c.limit)
				program, err := algorithm.Compose(plan)
				require.NoError(t, err)
				script := virtualclock.Script(program.Script())
				now, written, added := int64(1_782_907_200_123_456), 0, 0
				var end time.Time
				for range 500 {
					fresh := get(t, s, key[0]) == ""
					args := program.AppendRequest(program.AppendParams(nil), 1, 0)
					reply, err := s.Run(context.Background(), script, key, append(args, now))
					require.NoError(t, err)
					out, err := program.Outcome(reply, 0, 0)
					require.NoError(t, err)
					life, err := s.Run(context.Background(), lifeScript, key, nil)
					require.NoError(t, err)
					left := time.Duration(life[0])*time.Millisecond - virtualclock.Longer
					must := time.Duration(out.ResetAfter) * time.Microsecond
					switch {
					case !out.Allowed():
					case left > 365*24*time.Hour:
						added++
						written++
					case fresh:
						end = time.UnixMicro(now).Add(left)
						require.LessOrEqual(t, left, must+time.Millisecond)
					default:
						end = time.UnixMicro(now).Add(left)
						written++
					}
					whole := time.Duration(refillTime(plan)) * time.Microsecond
					require.LessOrEqual(t, end.Sub(time.UnixMicro(now)), max(time.Duration(c.most)*whole, 7*time.Second)+time.Second)
					now += rnd.Int64N(c.pause.Microseconds())
				}
				share := float64(added) / float64(written)
				t.Logf("%d written, %.2f of them added to", written, share)
				require.GreaterOrEqual(t, share, c.added)
			})
		}
	}
}
