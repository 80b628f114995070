package algorithm_test

import (
	"context"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/slidingwindow"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/internal/virtualclock"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
)

// FuzzState gives any text to the Lua and to Step as a state. Both must answer the same and
// leave the same text. No text may lock an identity out for longer than two refills, or affect
// a neighbour in the same run.
func FuzzState(f *testing.F) {
	const now = int64(1_782_907_200_123_456)
	for _, text := range []string{
		"", "1", "101782907200000000", "1782907200000000.   5.   2.0", "17829072000003", "178290720000030002", "1782907200500000:3:2:0", "1782907200500000:3:2:2",
		"\x06\x55\x8a\x1c\x00\x00\x00", "\xff\xff\xff\xff\xff\xff\xff", "99999999999999999999999999999999", "nan", "-1", "1e3", "0x10",
		"104102444800000000", "410244480000100000", "00000000000000000", "0000000000000000000000.1.0.0", "\x00", "1:2:3:4", "::", "39019468646514689", "9019468646514689:3:2:1", "\x20\x00\x00\x00\x00\x00\x01",
		// Each number of digits that read takes by its fast path, and numbers around 2^53.
		"1082907200000000", "10082907200123450", "11082907200123450", "97082907200000000", "1009082907200000000", "9214082907200000001", "9219999999999999999", "9220000000000000000",
		"01782907200000030002", "117829072000003000", "1178290720000030002", "8178290720000030002", "9178290720000030002", "0178290720000030002",
		"9007199254740991.   1.   0.0", "9007199254740992.   1.   0.9", "129007199254740991", "1782907200000001. 922.   0.1", "1782907200123456.7.6.5", "1782907200123456.   7.   0.6", "1782907200123456. 0x7.   0.6", "1782907200000000.00010.   0.0", "0782907200000000.   1.   0.0", "1782907200000000.   1.0010.0",
	} {
		f.Add(text, int64(1), uint8(0))
		f.Add(text, int64(0), uint8(1))
		f.Add(text, int64(10), uint8(2))
	}
	server := miniredis.NewMiniRedis()
	require.NoError(f, server.Start())
	f.Cleanup(server.Close)
	s, err := goredis.Open("redis://" + server.Addr())
	require.NoError(f, err)
	f.Cleanup(func() { _ = s.Close() })
	limits := []*algorithm.Plan{
		compile(f, tokenbucket.Limit{Rate: 7, Period: time.Second, Burst: 10}),
		compile(f, slidingwindow.Limit{Rate: 10, Period: time.Second}),
		compile(f, slidingwindow.Log{Rate: 10, Period: time.Second}),
	}
	f.Fuzz(func(t *testing.T, text string, n int64, kind uint8) {
		if n < 0 {
			return // no call has a negative n
		}
		plan := limits[int(kind)%len(limits)]
		program, err := algorithm.Compose(plan)
		require.NoError(t, err)
		if text == "" {
			server.Del("state")
		} else {
			require.NoError(t, server.Set("state", text))
		}
		args := program.AppendRequest(program.AppendParams(nil), n, 0)
		reply, err := s.Run(context.Background(), virtualclock.Script(program.Script()), []string{"state"}, append(args, now))
		require.NoError(t, err)
		require.NoError(t, program.CheckReply(reply, 1))
		got, err := program.Outcome(reply, 0, 0)
		require.NoError(t, err)
		next, want := plan.Step(text, now, n)
		if next != text && want.ResetAfter == 0 {
			next = "" // such a state says nothing, so its key is deleted
		}
		require.Equal(t, want, got)
		after, _ := server.Get("state")
		if next != text {
			after = plain(plan, after)
		}
		require.Equal(t, next, after)

		// In the same run, a fresh neighbour gets what it would get alone.
		if text != "" {
			require.NoError(t, server.Set("state", text))
		}
		server.Del("neighbour")
		args = program.AppendRequest(program.AppendRequest(program.AppendParams(nil), n, 0), 1, 1)
		reply, err = s.Run(context.Background(), virtualclock.Script(program.Script()), []string{"state", "neighbour"}, append(args, now))
		require.NoError(t, err)
		require.NoError(t, program.CheckReply(reply, 2))
		beside, err := program.Outcome(reply, 1, 0)
		require.NoError(t, err)
		_, alone := plan.Step("", now, 1)
		require.Equal(t, alone, beside)

		refill := 2 * refillTime(plan)
		require.LessOrEqual(t, got.RetryAfter, refill)
		require.LessOrEqual(t, got.ResetAfter, refill)
		if n > 0 { // a look mends nothing: a state from the far future stays as it is
			_, later := plan.Step(next, now+got.ResetAfter, plan.Limit)
			require.True(t, later.Allowed(), "all is free after ResetAfter")
		}
	})
}

// refillTime returns the longest ResetAfter of a fresh identity that takes all units: under a
// window, it takes them at its beginning.
func refillTime(plan *algorithm.Plan) int64 {
	const windowStart = 0
	_, out := plan.Step("", windowStart, plan.Limit)
	return out.ResetAfter
}
