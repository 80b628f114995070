package main

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBetweenCores(t *testing.T) {
	const hops = 2000
	if min(runtime.NumCPU(), runtime.GOMAXPROCS(0)) > 1 {
		took, ok := bounce(hops)
		for end := time.Now().Add(time.Minute); !ok && time.Now().Before(end); { // others may keep a core busy
			took, ok = bounce(hops)
		}
		require.True(t, ok)
		require.Greater(t, took, hops*time.Nanosecond, "nothing is faster than light")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	require.Zero(t, betweenCores())
}

func TestRangeText(t *testing.T) {
	require.Empty(t, rangeText(nil))
	require.Empty(t, rangeText([]time.Duration{0}))
	require.Equal(t, "70 ns", rangeText([]time.Duration{0, 70}))
	require.Equal(t, "60 to 250 ns", rangeText([]time.Duration{70, 250, 0, 60}))
}
