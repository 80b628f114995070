package ginlimit_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/middleware/ginlimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/internal/routetest"
)

// discard is a ResponseWriter that discards everything but the header.
type discard struct{ header http.Header }

func (d discard) Header() http.Header       { return d.header }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

func alice(*gin.Context) string { return "alice" }

// serving returns a function that serves one request by an engine with these handlers.
// Each response begins without header fields.
func serving(handlers ...gin.HandlerFunc) func() {
	engine := gin.New()
	engine.GET("/", append(handlers, func(*gin.Context) {})...)
	w, r := discard{http.Header{}}, httptest.NewRequest(http.MethodGet, "/", nil)
	return func() {
		clear(w.header)
		engine.ServeHTTP(w, r)
	}
}

func emptyLimiter(t testing.TB) *ratelimit.Limiter {
	limiter, err := ratelimit.New(routetest.Says{}, tokenbucket.Limit{Rate: 100, Period: 60e9})
	require.NoError(t, err)
	return limiter
}

// BenchmarkAllowed measures a request that is let through, on a store that does nothing:
// the decision alone, gin without a limit, and gin with one.
func BenchmarkAllowed(b *testing.B) {
	limiter := emptyLimiter(b)
	b.Run("Decision", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := limiter.Allow(b.Context(), "alice"); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, arm := range []struct {
		name  string
		serve func()
	}{
		{"Gin", serving()},
		{"Middleware", serving(newLimit(b, limiter, alice))},
		{"Middleware/HTTP", serving(newLimit(b, limiter, ginlimit.HTTP(func(*http.Request) string { return "alice" })))},
		{"Middleware/HeadersNone", serving(newLimit(b, limiter, alice, ginlimit.WithHeaders(httplimit.HeadersNone)))},
		{"Middleware/WithContext", serving(newLimit(b, limiter, alice, ginlimit.WithContext()))},
	} {
		b.Run(arm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				arm.serve()
			}
		})
	}
}
