package driver

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
)

// TestProbe checks that the probe says yes if a server refuses a script the keys of other
// servers, and only those, and otherwise no.
func TestProbe(t *testing.T) {
	c := redistest.StartCluster(t)
	node := c.Nodes[0]
	var own, others []string
	for i := 0; len(own) < 3 || len(others) < 2; i++ {
		key := fmt.Sprint("probe", i)
		if c.Owner(c.Slot(t, key)) == node {
			own = append(own, key)
		} else {
			others = append(others, key)
		}
	}
	ask := func(server *redistest.Server, keys ...string) (any, error) {
		return server.Do(append([]string{"EVAL", probe.Source(), "0", fmt.Sprint(len(keys))}, keys...)...)
	}
	// On a Valkey that must not be given such scripts it says no, and runs no command.
	for version, want := range map[string]int64{
		"0x0808ff": 1, "0x080900": 0, "0x090000": 0, "0x090001": 0, "0x090002": 1,
	} {
		says := "local redis = setmetatable({VALKEY_VERSION_NUM = " + version + "}, {__index = redis})\n"
		reply, err := node.Do("EVAL", says+probe.Source(), "0", "3", own[0], own[1], others[0])
		require.NoError(t, err, version)
		require.Equal(t, []any{want}, reply, version)
	}

	reply, err := ask(node, own[0], own[1], others[0])
	require.NoError(t, err)
	require.Equal(t, []any{int64(1)}, reply)
	reply, err = ask(node, own[0], own[1], own[2])
	require.NoError(t, err)
	require.Equal(t, []any{int64(0)}, reply)
	for _, keys := range [][]string{{own[0], others[0], others[1]}, {others[0], own[0], others[1]}} {
		_, err = ask(node, keys...)
		require.ErrorContains(t, err, "non local key")
	}
	// A single server has all keys.
	reply, err = ask(redistest.Start(t), own[0], own[1], others[0])
	require.NoError(t, err)
	require.Equal(t, []any{int64(0)}, reply)
}
