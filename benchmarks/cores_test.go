package main

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBetweenCores(t *testing.T) {
	took := betweenCores()
	if runtime.GOMAXPROCS(0) < 2 {
		require.Zero(t, took)
	}
	require.Less(t, took, 100*time.Microsecond)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	require.Zero(t, betweenCores())
}

func TestRangeText(t *testing.T) {
	require.Empty(t, rangeText(nil))
	require.Empty(t, rangeText([]time.Duration{0}))
	require.Equal(t, "70 ns", rangeText([]time.Duration{0, 70}))
	require.Equal(t, "60 to 250 ns", rangeText([]time.Duration{70, 250, 0, 60}))
}
