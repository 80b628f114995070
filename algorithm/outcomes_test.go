package algorithm_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// rows are the rows of a run: each is a number of requests for n units.
type rows []struct {
	n        int64
	requests int
}

// read returns the outcomes of a reply up to the first error that wraps store.ErrReply, and
// that error. An outcome that failed by itself has a RetryAfter of -2.
func read(t *testing.T, p *algorithm.Program, reply []int64, rows rows) ([]algorithm.Outcome, error) {
	outcomes, err := p.Outcomes(reply)
	if err != nil {
		require.ErrorIs(t, err, store.ErrReply)
		return nil, err
	}
	var all []algorithm.Outcome
	for _, row := range rows {
		outcomes.Row(row.n)
		for range row.requests {
			out, err := outcomes.Next()
			if errors.Is(err, algorithm.ErrFailed) {
				out.RetryAfter = -2
			} else if err != nil {
				require.ErrorIs(t, err, store.ErrReply)
				_, again := outcomes.Next()
				require.Error(t, again, "after an error there is nothing right")
				return all, err
			}
			all = append(all, out)
		}
	}
	err = outcomes.End()
	if err != nil {
		require.ErrorIs(t, err, store.ErrReply)
	}
	return all, err
}

func TestOutcomes(t *testing.T) {
	program, err := algorithm.Compose(compile(t, tokenbucket.Limit{Rate: 10, Period: time.Second}))
	require.NoError(t, err)
	type outs []algorithm.Outcome
	const far = 1 << 53
	for name, test := range map[string]struct {
		reply []int64
		rows  rows
		want  outs // nil for an error
	}{
		"Nothing":            {[]int64{1}, nil, outs{}},
		"One":                {[]int64{1, 0, 9, 5}, rows{{1, 1}}, outs{{0, 9, 5}}},
		"EachTold":           {[]int64{1, 0, 9, 5, 0, 8, 6}, rows{{1, 2}}, outs{{0, 9, 5}, {0, 8, 6}}},
		"Counted":            {[]int64{1, 0, 8, 5, -3, 2, 7}, rows{{2, 3}}, outs{{0, 8, 5}, {0, 6, 12}, {0, 4, 19}}},
		"CountedLooks":       {[]int64{1, 0, 8, 5, -3, 2, 0}, rows{{0, 3}}, outs{{0, 8, 5}, {0, 8, 5}, {0, 8, 5}}},
		"CountedDown":        {[]int64{1, 0, 8, 5, -3, 1, -5}, rows{{1, 2}}, outs{{0, 8, 5}, {0, 7, 0}}},
		"CountedTwice":       {[]int64{1, 0, 8, 5, -3, 1, 2, -3, 1, 1}, rows{{1, 3}}, outs{{0, 8, 5}, {0, 7, 7}, {0, 6, 8}}},
		"CountedToTheEdge":   {[]int64{1, 0, 1, far - 1, -3, 1, 1}, rows{{1, 2}}, outs{{0, 1, far - 1}, {0, 0, far}}},
		"ThenTold":           {[]int64{1, 0, 8, 5, -3, 1, 2, 0, 6, 8}, rows{{1, 3}}, outs{{0, 8, 5}, {0, 7, 7}, {0, 6, 8}}},
		"ThenDenied":         {[]int64{1, 0, 1, 5, -3, 1, 1, 9, 0, 6}, rows{{1, 4}}, outs{{0, 1, 5}, {0, 0, 6}, {9, 0, 6}, {9, 0, 6}}},
		"ThenFailed":         {[]int64{1, 0, 1, 5, -3, 1, 1, -2, 0, 0}, rows{{1, 4}}, outs{{0, 1, 5}, {0, 0, 6}, {-2, 0, 0}, {-2, 0, 0}}},
		"ThenAnotherRow":     {[]int64{1, 0, 8, 5, -3, 1, 2, 0, 9, 1, -3, 1, 1}, rows{{1, 2}, {1, 2}}, outs{{0, 8, 5}, {0, 7, 7}, {0, 9, 1}, {0, 8, 2}}},
		"RowAfterADenial":    {[]int64{1, -1, 9, 1, 0, 9, 1}, rows{{11, 3}, {1, 1}}, outs{{-1, 9, 1}, {-1, 9, 1}, {-1, 9, 1}, {0, 9, 1}}},
		"Empty":              {nil, nil, nil},
		"ClockIsNegative":    {[]int64{-1}, nil, nil},
		"ClockIsFar":         {[]int64{far + 1}, nil, nil},
		"Cut":                {[]int64{1, 0, 9}, rows{{1, 1}}, nil},
		"CutCount":           {[]int64{1, 0, 9, 5, -3, 1}, rows{{1, 2}}, nil},
		"Short":              {[]int64{1, 0, 9, 5}, rows{{1, 2}}, nil},
		"Long":               {[]int64{1, 0, 9, 5, 0, 8, 6}, rows{{1, 1}}, nil},
		"CountsTheFirst":     {[]int64{1, -3, 1, 5}, rows{{1, 1}}, nil},
		"CountsAcrossRows":   {[]int64{1, 0, 9, 5, -3, 2, 1}, rows{{1, 2}, {1, 1}}, nil},
		"CountsInTheNextRow": {[]int64{1, 0, 9, 5, -3, 1, 1}, rows{{1, 1}, {1, 1}}, nil},
		"CountsTooFew":       {[]int64{1, 0, 9, 5, -3, 1, 1}, rows{{1, 3}}, nil},
		"CountsTooMany":      {[]int64{1, 0, 9, 5, -3, 2, 1}, rows{{1, 2}}, nil},
		"CountsNone":         {[]int64{1, 0, 9, 5, -3, 0, 1, 0, 8, 6}, rows{{1, 2}}, nil},
		"CountsFewerThan0":   {[]int64{1, 0, 9, 5, -3, -1, 1}, rows{{1, 2}}, nil},
		"CountsAfterADenial": {[]int64{1, 9, 0, 5, -3, 1, 1}, rows{{1, 2}}, nil},
		"CountsAfterFailing": {[]int64{1, -2, 0, 0, -3, 1, 1}, rows{{1, 2}}, nil},
		"CountsBelow0":       {[]int64{1, 0, 0, 5, -3, 1, 1}, rows{{1, 2}}, nil},
		"CountsFarBelow0":    {[]int64{1, 0, 9, 5, -3, 1, 1}, rows{{math.MaxInt64, 2}}, nil},
		"ResetBelow0":        {[]int64{1, 0, 9, 5, -3, 1, -6}, rows{{1, 2}}, nil},
		"ResetFarBelow0":     {[]int64{1, 0, 9, 5, -3, 2, math.MinInt64}, rows{{1, 3}}, nil},
		"ResetFar":           {[]int64{1, 0, 9, far, -3, 1, 1}, rows{{1, 2}}, nil},
		"ResetWraps":         {[]int64{1, 0, 9, 5, -3, 2, math.MaxInt64}, rows{{1, 3}}, nil},
		"Unknown":            {[]int64{1, 0, 9, 5, -4, 1, 1}, rows{{1, 2}}, nil},
		"TooMuchRemains":     {[]int64{1, 0, 11, 5}, rows{{1, 1}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := read(t, program, test.reply, test.rows)
			require.Equal(t, test.want == nil, err != nil, "%v, %v", got, err)
			if test.want != nil {
				require.Equal(t, test.want, append(outs{}, got...))
			}
		})
	}
}

// FuzzOutcomes: whatever integers a server replies with, to whatever rows, each outcome is a
// possible one or an error.
func FuzzOutcomes(f *testing.F) {
	f.Add(ints(1_700_000_000_123_456, 0, 9, 100_000, -3, 2, 100_000), ints(1), uint8(3))
	f.Add(ints(1, 0, 9, 0, -3, 1<<62, 1<<62), ints(1, 0), uint8(9))
	f.Add(ints(1, 0, 9, 9, -3, 2, -9, -1, 7, 0), ints(1, 1<<53), uint8(9))
	f.Add(ints(1, 0, 9, 9, -2, 0, 0, 0, 9, 9, -3, 4, 0), ints(1, 0), uint8(5))
	f.Add(ints(), ints(), uint8(0))
	plan := compile(f, tokenbucket.Limit{Rate: 10, Period: time.Second})
	program, err := algorithm.Compose(plan)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, b, units []byte, requests uint8) {
		reply := intsOf(b)
		var rows rows
		for _, n := range intsOf(units) {
			rows = append(rows, struct {
				n        int64
				requests int
			}{n, int(requests)})
		}
		outcomes, err := read(t, program, reply, rows)
		for _, out := range outcomes {
			if out.RetryAfter != -2 {
				requirePossible(t, out, plan.Limit, program.Now(reply))
			}
		}
		if err == nil {
			require.Len(t, outcomes, len(rows)*int(requests))
		}
	})
}
