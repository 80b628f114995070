package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestReadOf checks that a read takes some time, and longer in memory that is larger than
// the caches.
func TestReadOf(t *testing.T) {
	near, far := readOf(1), readOf(64<<20)
	require.Greater(t, near, time.Duration(0))
	require.Greater(t, far, 2*near)
}
