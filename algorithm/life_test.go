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

// lifeScript reads how long a key lives, and gives it 63 years, by which one that is
// only added to is known afterwards.
var lifeScript = store.NewScript("life", `
local left = redis.call('PTTL', KEYS[1])
redis.call('PEXPIRE', KEYS[1], '2000000000000')
return {left}`)

// TestLife: who comes once has a key for no longer than it must be; that of who comes
// again lives longer, within limits, and is added to most of the time, or another put in
// its place. (That it lives
// long enough is a clause of the conformance suite.)
func TestLife(t *testing.T) {
	for _, c := range []struct {
		limit algorithm.Algorithm
		pause time.Duration // at most
		most  int64         // how many times as long as a whole refill takes a key may live
		added float64       // how much of what is written, at least
	}{
		{tokenbucket.Limit{Rate: 100, Period: time.Minute}, 800 * time.Millisecond, 6, 0.9},               // with the bucket all but empty
		{tokenbucket.Limit{Rate: 100, Period: time.Minute}, 2 * time.Second, 6, 0.3},                      // with few units owed
		{tokenbucket.Limit{Rate: 1000, Period: time.Second}, 100 * time.Millisecond, 6, 0.9},              // all back each time
		{tokenbucket.Limit{Rate: 600, Period: 24 * time.Hour}, 3 * time.Minute, 6, 0.9},                   // and of days
		{tokenbucket.Limit{Rate: 5, Period: time.Second, Burst: 2}, time.Second, 6, 0.3},                  // next to nothing at once
		{tokenbucket.Limit{Rate: 70, Period: time.Minute}, 1200 * time.Millisecond, 6, 0.9},               // of units with fractions of a µs
		{slidingwindow.Limit{Rate: 100, Period: time.Minute}, 800 * time.Millisecond, 3, 0.95},            // with a promise that just fits
		{slidingwindow.Limit{Rate: 1000, Period: 45 * time.Minute}, 5 * time.Second, 3, 0.95},             // with one that does not
		{slidingwindow.Limit{Rate: 1000, Period: 6 * time.Hour}, time.Minute, 3, 0},                       // with none
		{slidingwindow.Limit{Rate: 100, Period: 5500 * time.Millisecond}, 80 * time.Millisecond, 3, 0.95}, // as no integer
		{slidingwindow.Limit{Rate: 100, Period: 1500 * time.Millisecond}, time.Millisecond, 3, 0},         // and with no promise
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
