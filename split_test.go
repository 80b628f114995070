package ratelimit_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
)

// TestHalfMovedSlot checks a slot that is half moved: no node answers a run on several keys
// unless it has all of them. Redis decides each call all the same, and once.
func TestHalfMovedSlot(t *testing.T) {
	redistest.Needs(t, 6, 2) // for the counts of errors by code
	const identities, calls = 60, 20
	cluster := redistest.StartCluster(t)
	for i, driver := range []string{"goredis", "rueidis"} {
		t.Run(driver, func(t *testing.T) {
			namespace := fmt.Sprintf("{%d}", i) // all keys in one slot
			l := newLimiter(t, site{driver, cluster.URL(), cluster.Nodes}.open(t), tokenbucket.Limit{Rate: 1000, Period: month},
				ratelimit.WithNamespace(namespace))
			for i := range identities / 2 { // the other keys are made while the slot moves
				allow(t, l, fmt.Sprint(i), 1)
			}
			slot := cluster.Slot(t, namespace)
			to := cluster.Nodes[0]
			if to == cluster.Owner(slot) {
				to = cluster.Nodes[1]
			}
			move := cluster.BeginMove(t, slot, to)
			require.Equal(t, identities/4, move.Keys(t, identities/4))

			var wait sync.WaitGroup
			for i := range identities * calls {
				wait.Go(func() { allow(t, l, fmt.Sprint(i%identities), 1) })
			}
			wait.Wait()
			refused := move.From.Info("errorstats")["errorstat_TRYAGAIN"] + move.To.Info("errorstats")["errorstat_TRYAGAIN"]
			require.NotEmpty(t, refused, "no run was refused: this tests nothing")

			move.End(t)
			for i := range identities {
				r, err := l.Peek(context.Background(), fmt.Sprint(i))
				require.NoError(t, err)
				want := int64(calls)
				if i < identities/2 {
					want++
				}
				require.Equal(t, 1000-want, r.Remaining, i)
			}
			require.Eventually(t, func() bool { return cluster.Owner(slot) == to }, 10*time.Second, 10*time.Millisecond)
		})
	}
}
