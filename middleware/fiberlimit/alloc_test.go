package fiberlimit_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/middleware/fiberlimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

// TestAllocations checks that the middleware makes as many allocations as the docs say,
// beyond those of the decision.
func TestAllocations(t *testing.T) {
	redistest.WithoutRace(t, "-race empties pools at random")
	limiter := perMinute(t, says{now: time.Unix(1_800_000_000, 0), remaining: 50, reset: 30 * time.Second}, "a", 100)
	alone := testing.AllocsPerRun(200, func() { _, _ = limiter.Allow(t.Context(), "alice") })
	over := func(identity fiberlimit.Identity, options ...fiberlimit.Option) int {
		serve, _ := serveAlone(limit(t, limiter, identity, options...), func(fiber.Ctx) error { return nil })
		return int(testing.AllocsPerRun(200, serve) - alone)
	}
	trusted := must(fiberlimit.Address(httplimit.Address{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}))
	require.Equal(t, 2, over(alice))
	require.Equal(t, 3, over(must(fiberlimit.Header("X-API-Key"))))
	require.Equal(t, 3, over(fiberlimit.Peer))
	require.Equal(t, 3, over(trusted))
	require.Equal(t, 1, over(alice, fiberlimit.WithHeaders(httplimit.HeadersNone)))
	require.Equal(t, 4, over(alice, fiberlimit.WithContext()))
}
