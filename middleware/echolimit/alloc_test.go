package echolimit_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/middleware/echolimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

// TestAllocations checks that the middleware makes as many allocations as the docs say,
// beyond those of Echo and the decision.
func TestAllocations(t *testing.T) {
	redistest.WithoutRace(t, "-race empties pools at random")
	limiter := emptyLimiter(t)
	count := func(f func()) int { return int(testing.AllocsPerRun(200, f)) }
	alone := count(func() { _, _ = limiter.Allow(t.Context(), "alice") }) + count(serving())
	over := func(options ...echolimit.Option) int {
		return count(serving(newLimit(t, limiter, alice, options...))) - alone
	}
	require.Equal(t, 2, over())
	require.Equal(t, 0, over(echolimit.WithHeaders(httplimit.HeadersNone)))
	require.Equal(t, 3, over(echolimit.WithContext()))
}
