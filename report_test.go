package ratelimit

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// TestReportAcross checks what breakers are told of a batch across partitions. A failed run
// counts once against the breaker of each partition that it had keys of. To a breaker that has
// keys in several runs, an answer to any of these is an answer. A run that goes again does not
// count.
func TestReportAcross(t *testing.T) {
	away, stray := errors.New("away"), &store.ServerError{Message: "CROSSSLOT elsewhere"}
	at := func(breaker, place uint64) group {
		return group{calls: []*call{{partition: breaker<<58 + place}}}
	}
	for name, test := range map[string]struct {
		runs [][]group
		errs []error
		want [4]int32 // failures that each of the first breakers has counted
	}{
		"Each":         {[][]group{{at(0, 0), at(1, 0), at(1, 1), at(2, 0)}}, []error{away}, [4]int32{1, 1, 1}},
		"AnswerFirst":  {[][]group{{at(0, 0), at(1, 0)}, {at(1, 1), at(2, 0)}}, []error{nil, away}, [4]int32{0, 0, 1}},
		"AnswerLast":   {[][]group{{at(2, 0), at(1, 0)}, {at(1, 1), at(0, 0)}}, []error{away, nil}, [4]int32{0, 0, 1}},
		"AnswerAmid":   {[][]group{{at(1, 0)}, {at(1, 1)}, {at(1, 2)}}, []error{away, nil, away}, [4]int32{}},
		"Stray":        {[][]group{{at(0, 0), at(1, 0)}, {at(1, 1), at(3, 0)}}, []error{away, stray}, [4]int32{1, 1}},
		"NoneAnswered": {[][]group{{at(0, 0), at(1, 0)}, {at(1, 1), at(3, 0)}}, []error{away, away}, [4]int32{1, 1, 0, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := New(noStore{}, tokenbucket.Limit{Rate: 1, Period: time.Hour})
			require.NoError(t, err)
			l.breakers.renew(true)
			b := &batch{across: true}
			for i, groups := range test.runs {
				b.groups = append(b.groups, groups...)
				b.parts = append(b.parts, len(b.groups))
				b.runs = append(b.runs, store.Run{Err: test.errs[i]})
			}
			b.report(l, time.Now())
			for i, want := range test.want {
				require.Equal(t, want, l.breakers.of(uint64(i)<<58).failures.Load(), i)
			}
		})
	}
}
