package redistest

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCluster(t *testing.T) {
	c := StartCluster(t)
	require.Len(t, c.Nodes, 3)
	addrs := c.Addrs()
	require.Equal(t, "redis://"+addrs[0]+"?addr="+addrs[1]+"&addr="+addrs[2], c.URL())

	// Each node has a key, and the other nodes know where it is.
	owned := make(map[string]string) // from the address of a node to a key on it
	for i := 0; len(owned) < len(c.Nodes); i++ {
		key := "key" + strconv.Itoa(i)
		var owner string
		for _, node := range c.Nodes {
			_, err := node.Do("SET", key, "v")
			if err == nil {
				require.Empty(t, owner, "%s is on two nodes", key)
				owner = node.Addr()
			}
		}
		require.NotEmpty(t, owner, "%s is on no node", key)
		owned[owner] = key
	}
	for owner, key := range owned {
		for _, node := range c.Nodes {
			if node.Addr() == owner {
				require.Equal(t, "v", node.MustDo(t, "GET", key))
				continue
			}
			_, err := node.Do("GET", key)
			require.ErrorContains(t, err, "MOVED ")
			require.True(t, strings.HasSuffix(err.Error(), " "+owner), "%v, not %s", err, owner)
		}
	}

	// The Cluster survives the loss of a node. When the node comes back, it keeps its place.
	c.Nodes[2].Restart()
	c.AwaitReady(t)
	require.Equal(t, addrs, c.Addrs())
	require.Nil(t, c.Nodes[2].MustDo(t, "GET", owned[addrs[2]]))
}
