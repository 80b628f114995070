package algorithm_test

import (
	"encoding/binary"
	"errors"
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

// FuzzOutcome: of whatever integers a server replies with, Program makes an
// outcome that can be, or an error.
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
