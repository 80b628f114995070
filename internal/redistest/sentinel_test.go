package redistest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSentinelGroup(t *testing.T) {
	t.Parallel()
	g := StartSentinelGroup(t, 1)
	require.Len(t, g.Addrs(), 3)
	first := g.Master()
	require.Equal(t, g.Servers[0], first)
	first.Kill()
	second := g.AwaitMasterOtherThan(t, first)
	require.Equal(t, g.Servers[1], second)

	// A master that comes back is made a replica.
	first.Restart()
	g.AwaitRejoined(t, first)
}
