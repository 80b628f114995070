package ratelimit

import (
	"errors"
	"hash/crc32"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// edge is a Store whose keys are in the partitions at the ends of all.
type edge struct{ noStore }

func (edge) Partition(key string) (uint64, bool) {
	return -uint64(crc32.ChecksumIEEE([]byte(key)) % 2), true
}

// TestEnds: there is a queue and a breaker for each partition that there may be.
func TestEnds(t *testing.T) {
	l, err := New(edge{}, tokenbucket.Limit{Rate: 1, Period: time.Hour})
	require.NoError(t, err)
	seen := map[*queue]*breaker{}
	for i := range 64 {
		c := l.newCall(sum{byte(i)}, 1)
		q := l.batcher.queue(l, c)
		seen[q] = l.breakers.of(c.partition)
	}
	require.Len(t, seen, 2)
	require.NotNil(t, seen[&l.batcher.queues[0]])
	require.NotNil(t, seen[&l.batcher.queues[queueCount-1]])
}

// TestReportAcross: of a run on keys of several partitions the breaker of each is told;
// to one that has keys in several runs an answer to any will do; and a run that goes
// again is nobody's.
func TestReportAcross(t *testing.T) {
	away, stray := errors.New("away"), &store.ServerError{Message: "CROSSSLOT elsewhere"}
	at := func(breaker, place uint64) group {
		return group{calls: []*call{{partition: breaker<<58 + place}}}
	}
	for name, test := range map[string]struct {
		runs [][]group
		errs []error
		want [4]int32 // failures of the first breakers
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
