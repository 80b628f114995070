package echolimit_test

import (
	"net/http"
	"testing"

	"github.com/labstack/echo/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/echolimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/internal/routetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newLimit(t testing.TB, limiter *ratelimit.Limiter, identity echolimit.Identity, options ...echolimit.Option) echo.MiddlewareFunc {
	t.Helper()
	limit, err := echolimit.New(limiter, identity, options...)
	require.NoError(t, err)
	return limit
}

// one returns a limit of one request a minute for each peer.
func one(t testing.TB, options ...echolimit.Option) echo.MiddlewareFunc {
	t.Helper()
	return newLimit(t, routetest.PerMinute(t, routetest.StartRedis(t), "one", 1), peer, options...)
}

var peer = echolimit.HTTP(httplimit.Peer)

func ok(c *echo.Context) error { return c.String(http.StatusOK, "ok") }

// never fails the test if it is called.
func never(t testing.TB) echo.HandlerFunc {
	return func(*echo.Context) error {
		t.Error("a later handler was called")
		return nil
	}
}
