package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestServerVersion(t *testing.T) {
	require.Equal(t, "7.0.15", serverVersion(map[string]string{"redis_version": "7.0.15"}))
	require.Equal(t, "Valkey 9.1.2", serverVersion(map[string]string{"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "9.1.2"}))
	require.Empty(t, serverVersion(nil))
}
