package httplimit_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

// TestAllocations checks that the middleware makes as many allocations as the docs say,
// beyond those of the decision.
func TestAllocations(t *testing.T) {
	redistest.WithoutRace(t, "-race empties pools at random")
	s := &says{now: time.Unix(1_800_000_000, 0), remaining: 50, reset: 30 * time.Second}
	limiter := newLimiter(t, s, tokenbucket.Limit{Rate: 100, Period: time.Minute})
	w, r := discard{http.Header{}}, request()
	count := func(f func()) int {
		clear(w.header)
		return int(testing.AllocsPerRun(200, f))
	}
	alone := count(func() { _, _ = limiter.Allow(t.Context(), "alice") })
	over := func(identity httplimit.Identity, options ...httplimit.Option) int {
		h := wrap(t, limiter, identity, nothing, options...)
		return count(func() {
			clear(w.header)
			h.ServeHTTP(w, r)
		}) - alone
	}
	require.Equal(t, 2, over(alice))
	require.Equal(t, 3, over(httplimit.Peer))
	require.Equal(t, 2, over(alice, httplimit.WithHeaders(httplimit.HeadersX)))
	require.Equal(t, 0, over(alice, httplimit.WithHeaders(httplimit.HeadersNone)))
	require.Equal(t, 4, over(alice, httplimit.WithContext()))
}
