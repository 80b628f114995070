package ginlimit_test

import (
	"io"
	"net/http"
	"os"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/ginlimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/internal/routetest"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	gin.DefaultWriter, gin.DefaultErrorWriter = io.Discard, io.Discard
	code := m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		_, _ = os.Stderr.WriteString(err.Error())
		code = 1
	}
	os.Exit(code)
}

func newLimit(t testing.TB, limiter *ratelimit.Limiter, identity ginlimit.Identity, options ...ginlimit.Option) gin.HandlerFunc {
	t.Helper()
	limit, err := ginlimit.New(limiter, identity, options...)
	require.NoError(t, err)
	return limit
}

// one returns a limit of one request a minute for each peer.
func one(t testing.TB, options ...ginlimit.Option) gin.HandlerFunc {
	t.Helper()
	return newLimit(t, routetest.PerMinute(t, routetest.StartRedis(t), "one", 1), peer, options...)
}

var peer = ginlimit.HTTP(httplimit.Peer)

func ok(c *gin.Context) { c.String(http.StatusOK, "ok") }

// never fails the test if it is called.
func never(t testing.TB) gin.HandlerFunc {
	return func(*gin.Context) { t.Error("a later handler was called") }
}
