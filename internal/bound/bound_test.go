package bound

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLinear(t *testing.T) {
	require.Equal(t, int64(5), Linear(5, 10, time.Second, 99*time.Millisecond))
	require.Equal(t, int64(6), Linear(5, 10, time.Second, 100*time.Millisecond))
	require.Equal(t, int64(5+36000), Linear(5, 10, time.Second, time.Hour))
	require.Equal(t, int64(math.MaxInt64), Linear(1, math.MaxInt64, 1, 1))
	require.Equal(t, int64(math.MaxInt64), Linear(1, math.MaxInt64, time.Second, math.MaxInt64))
}
