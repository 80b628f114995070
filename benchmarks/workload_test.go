package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWrong(t *testing.T) {
	for _, c := range []struct {
		scene            *scene
		decided, allowed int64
		want             int64
	}{
		{distinctAllowed, 100, 100, 0},
		{zipfAllowed, 100, 97, 3},
		{distinctDenied, 100, 0, 0},
		{distinctDenied, 100, 10, 0}, // one for each of ten identities
		{distinctDenied, 100, 15, 5},
		{hotDenied, 10_000, 600, 0}, // twice 300: 100 at once and 200 in two seconds
		{hotDenied, 10_000, 607, 7},
	} {
		require.Equal(t, c.want, c.scene.wrong(c.decided, c.allowed, 2*time.Second, 10), "%s: %d of %d", c.scene.name, c.allowed, c.decided)
	}
}

// TestWorkloads checks that no two workloads have the same file name.
func TestWorkloads(t *testing.T) {
	seen := make(map[string]bool)
	for _, w := range workloads() {
		name := fileName(w.String())
		require.False(t, seen[name], name)
		seen[name] = true
	}
	require.True(t, seen["512-callers-zipf-allowed"])
}
