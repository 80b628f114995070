package ratelimit

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
)

// TestPartitions checks that keys are taken for partitioned only if they can be in several
// partitions, and that each queue knows its place and the sizes of the limiter's states.
func TestPartitions(t *testing.T) {
	cluster, err := goredis.Open("redis://localhost:6379", goredis.WithCluster())
	require.NoError(t, err)
	defer func() { require.NoError(t, cluster.Close()) }()
	one, err := goredis.Open("redis://localhost:6379")
	require.NoError(t, err)
	defer func() { require.NoError(t, one.Close()) }()
	for _, c := range []struct {
		store       *goredis.Store
		namespace   string
		partitioned bool
	}{
		{cluster, "api", true},
		{cluster, "{api}second", false},
		{one, "api", false},
	} {
		l, err := New(c.store, tokenbucket.Limit{Rate: 1, Period: 1e9}, WithNamespace(c.namespace))
		require.NoError(t, err)
		require.Equal(t, c.partitioned, l.partitions.exist(), c.namespace)
		for i := range l.batcher.queues {
			q := &l.batcher.queues[i]
			require.EqualValues(t, i, q.index)
			require.Same(t, l.sizes, q.sizes)
		}
	}
}
