package ratelimit

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// noStore is a Store whose Run nobody calls.
type noStore struct{}

func (noStore) Run(context.Context, *store.Script, []string, []int64) ([]int64, error) {
	panic("not called")
}

// A batch has a place for each call or for none, also where it is found in that moment
// that keys are partitioned: a run of what has none, beside others, would be refused for
// good.
func TestFillWhileLearning(t *testing.T) {
	l, err := New(noStore{}, tokenbucket.Limit{Rate: 1, Period: time.Hour})
	require.NoError(t, err)
	seen := map[int]int{} // how many had a place, how often
	for round := range 2000 {
		l.partitions.of.Store(nil)
		calls := make([]*call, maxKeys)
		for i := range calls {
			var s sum
			binary.BigEndian.PutUint32(s[:], uint32(round*maxKeys+i))
			calls[i] = l.newCall(s, 1)
		}
		learned := make(chan struct{})
		go func() {
			l.partitions.learn()
			close(learned)
		}()
		b := &batch{keys: map[sum]int{}}
		require.Empty(t, b.fill(l, calls))
		<-learned
		placed := 0
		for _, c := range calls {
			if c.placed {
				placed++
			}
		}
		seen[placed]++
	}
	for placed := range seen {
		require.Contains(t, []int{0, maxKeys}, placed)
	}
}

// TestFillSteps: what goes at once is bounded by what it costs Redis.
func TestFillSteps(t *testing.T) {
	additive, err := New(noStore{}, tokenbucket.Limit{Rate: 1, Period: time.Hour})
	require.NoError(t, err)
	each, err := New(noStore{}, tokenbucket.Limit{Rate: 1, Period: time.Hour})
	require.NoError(t, err)
	each.plan.Additive = false
	const many = 2 * maxDecisions
	same := func(int) int64 { return 1 }
	oneKey := func(int) int { return 0 }
	for name, c := range map[string]struct {
		limiter *Limiter
		n       func(i int) int64
		key     func(i int) int
		want    int
	}{
		"equal":                 {additive, same, oneKey, maxDecisions},
		"unequal":               {additive, func(i int) int64 { return int64(1 + i%2) }, oneKey, maxSteps},
		"pairs":                 {additive, func(i int) int64 { return int64(1 + i/2%2) }, oneKey, 2 * maxSteps},
		"looks":                 {additive, func(int) int64 { return 0 }, oneKey, maxSteps},
		"keys":                  {additive, same, func(i int) int { return i }, maxKeys},
		"few keys":              {additive, same, func(i int) int { return i % 8 }, maxDecisions},
		"unequal, of few keys":  {additive, func(i int) int64 { return int64(1 + i/8%2) }, func(i int) int { return i % 8 }, maxSteps},
		"units that do not add": {each, same, oneKey, maxSteps},
	} {
		t.Run(name, func(t *testing.T) {
			var calls []*call
			for i := range many {
				calls = append(calls, c.limiter.newCall(sum{byte(c.key(i)), byte(c.key(i) >> 8)}, c.n(i)))
			}
			b := &batch{keys: map[sum]int{}}
			rest := b.fill(c.limiter, calls)
			require.Len(t, b.came, c.want)
			require.Equal(t, calls[c.want:], rest)
		})
	}
}
