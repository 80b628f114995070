package ginlimit_test

import (
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/middleware/ginlimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

// TestAllocations checks that the middleware makes as many allocations as the docs say,
// beyond those of gin and the decision.
func TestAllocations(t *testing.T) {
	redistest.WithoutRace(t, "-race empties pools at random")
	limiter := emptyLimiter(t)
	count := func(f func()) int { return int(testing.AllocsPerRun(200, f)) }
	alone := count(func() { _, _ = limiter.Allow(t.Context(), "alice") }) + count(serving())
	over := func(options ...ginlimit.Option) int {
		return count(serving(newLimit(t, limiter, alice, options...))) - alone
	}
	require.Equal(t, 2, over())
	require.Equal(t, 0, over(ginlimit.WithHeaders(httplimit.HeadersNone)))
	require.Equal(t, 5, over(ginlimit.WithContext()))

	set := func(c *gin.Context) { c.Set("user", "alice") }
	without := count(serving(set))
	with := count(serving(set, newLimit(t, limiter, alice, ginlimit.WithContext())))
	require.Equal(t, 3, with-without-count(func() { _, _ = limiter.Allow(t.Context(), "alice") }))
}
