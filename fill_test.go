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
