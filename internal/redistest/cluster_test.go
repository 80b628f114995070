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

	// A key on each node, of which the others know where it is.
	owned := make(map[string]string) // address of the node to a key of its
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

	// It gets over the loss of a node, which keeps its place.
	c.Nodes[2].Restart()
	c.AwaitReady(t)
	require.Equal(t, addrs, c.Addrs())
	require.Nil(t, c.Nodes[2].MustDo(t, "GET", owned[addrs[2]]))
}
