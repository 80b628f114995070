package algorithm_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/slidingwindow"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// TestImpossible: if a reply is an array of integers, but not one that the script can have
// given, the error says what is wrong with it. It wraps store.ErrReply without that error's
// text, which would say that the reply is no array of integers.
func TestImpossible(t *testing.T) {
	bucket := compile(t, tokenbucket.Limit{Rate: 10, Period: time.Second})
	window := compile(t, slidingwindow.Limit{Rate: 7, Period: time.Second})
	one, err := algorithm.Compose(bucket)
	require.NoError(t, err)
	two, err := algorithm.Compose(bucket, window)
	require.NoError(t, err)
	outcome := func(p *algorithm.Program, limit int, reply ...int64) error {
		_, err := p.Outcome(reply, 0, limit)
		return err
	}
	counted := func(reply ...int64) error {
		outcomes, err := one.Outcomes(reply)
		require.NoError(t, err)
		outcomes.Row(1)
		for range 2 {
			if _, err = outcomes.Next(); err != nil {
				return err
			}
		}
		return outcomes.End()
	}
	const ten = ": must be -1 to 2^53, 0 to 10, 0 to 2^53"
	for want, err := range map[string]error{
		"token_bucket: limit token_bucket answered retry -3, remaining 0, reset 0" + ten:                                                  outcome(one, 0, 1, -3, 0, 0),
		"token_bucket: limit token_bucket answered retry 9007199254740993, remaining 0, reset 0" + ten:                                    outcome(one, 0, 1, 1<<53+1, 0, 0),
		"token_bucket: limit token_bucket answered retry 0, remaining -1, reset 0" + ten:                                                  outcome(one, 0, 1, 0, -1, 0),
		"token_bucket: limit token_bucket answered retry 0, remaining 11, reset 0" + ten:                                                  outcome(one, 0, 1, 0, 11, 0),
		"token_bucket: limit token_bucket answered retry 0, remaining 10, reset -1" + ten:                                                 outcome(one, 0, 1, 0, 10, -1),
		"token_bucket+sliding_window: limit sliding_window answered retry 0, remaining 8, reset 0: must be -1 to 2^53, 0 to 7, 0 to 2^53": outcome(two, 1, 1, 0, 1, 0, 0, 8, 0),
		"token_bucket: by its count, limit token_bucket answered remaining -1, reset 7: must be 0 to 10, 0 to 2^53":                       counted(1, 0, 0, 5, -3, 1, 2),
		"token_bucket: the reply counts 1 outcomes more than there are requests":                                                          counted(1, 0, 5, 5, -3, 2, 2),
		"token_bucket: the reply has 3 integers: must have at least 4":                                                                    outcome(one, 0, 1, 0, 1),
		"token_bucket: the reply has 2 integers: must have 4":                                                                             one.CheckReply([]int64{1, 0}, 1),
		"token_bucket: the clock says -1 µs: must be 0 to 2^53":                                                                           one.CheckReply([]int64{-1, 0, 0, 0}, 1),
	} {
		require.ErrorIs(t, err, store.ErrReply)
		require.EqualError(t, err, "algorithm: script "+want)
		require.ErrorIs(t, fmt.Errorf("of the caller: %w", err), store.ErrReply)
	}
}

// TestOutcomeAllocates: to read a valid reply allocates nothing.
func TestOutcomeAllocates(t *testing.T) {
	program, err := algorithm.Compose(compile(t, tokenbucket.Limit{Rate: 10, Period: time.Second}))
	require.NoError(t, err)
	reply := []int64{1, 0, 9, 5, -3, 2, 7}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		outcomes, _ := program.Outcomes(reply)
		outcomes.Row(1)
		for range 3 {
			_, _ = outcomes.Next()
		}
		_, _ = program.Outcome(reply, 0, 0)
		_ = outcomes.End()
	}))
}
