package redistest

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReplicatedCluster(t *testing.T) {
	t.Parallel()
	c := StartReplicatedCluster(t, "--cluster-node-timeout", "1000")
	require.Len(t, c.Replicas, 3)

	t.Run("Move", func(t *testing.T) {
		Needs(t, 6, 2) // older nodes do not tell the others at once
		slot := c.Slot(t, "{x}")
		require.Equal(t, slot, c.Slot(t, "{x}1"))
		from := c.Owner(slot)
		require.NotNil(t, from)
		to := c.Nodes[0]
		if from == to {
			to = c.Nodes[1]
		}
		for i := range 25 {
			from.MustDo(t, "SET", "{x}"+strconv.Itoa(i), "v")
		}
		m := c.BeginMove(t, slot, to)
		require.Equal(t, 12, m.Keys(t, 12))
		_, err := from.Do("GET", "{x}new")
		require.ErrorContains(t, err, "ASK "+strconv.Itoa(slot)+" "+to.Addr())
		_, err = to.Do("GET", "{x}new")
		require.ErrorContains(t, err, "MOVED")
		m.End(t)
		require.Equal(t, to, c.Owner(slot))
		require.Equal(t, int64(25), to.MustDo(t, "CLUSTER", "COUNTKEYSINSLOT", strconv.Itoa(slot)))
		c.AwaitReady(t)
	})

	t.Run("Failover", func(t *testing.T) {
		require.True(t, c.Nodes[1].IsMaster())
		require.False(t, c.Replicas[1].IsMaster())
		c.Nodes[1].Kill()
		c.Replicas[1].AwaitMaster(t)
		c.AwaitOwner(t, 8000, c.Replicas[1])
		c.Nodes[1].Restart()
		c.Nodes[1].AwaitReplica(t)
		c.AwaitReady(t)
	})
}
