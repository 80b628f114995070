package redistest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseVersion(t *testing.T) {
	for said, want := range map[string]version{
		"Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=ae4d7c971a948f0\n":  {7, 0},
		"Redis server v=5.0.14 sha=00000000:0 malloc=libc bits=64 build=1\n":                          {5, 0},
		"Redis server v=255.255.255 sha=4f8cdc2a:1 malloc=libc bits=64 build=1\n":                     {255, 255},
		"Valkey server v=9.1.2 sha=00000000:1 malloc=jemalloc-5.3.0 bits=64 build=f3eb3d7357e956b5\n": {7, 2},
	} {
		got, ok := parseVersion(said)
		require.True(t, ok, said)
		require.Equal(t, want, got, said)
	}
	for _, said := range []string{"", "Redis", "Redis server v=", "Redis server v=7", "Redis server v=x.y.z"} {
		_, ok := parseVersion(said)
		require.False(t, ok, said)
	}
}
