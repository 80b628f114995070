package echolimit_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v5"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/middleware/echolimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/internal/routetest"
)

// discard is a ResponseWriter that discards everything but the header.
type discard struct{ header http.Header }

func (d discard) Header() http.Header       { return d.header }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

func alice(*echo.Context) string { return "alice" }

// serving returns a function that serves one request by an Echo with these middlewares.
// Each response begins without header fields.
func serving(middlewares ...echo.MiddlewareFunc) func() {
	e := echo.New()
	e.GET("/", func(*echo.Context) error { return nil }, middlewares...)
	w, r := discard{http.Header{}}, httptest.NewRequest(http.MethodGet, "/", nil)
	return func() {
		clear(w.header)
		e.ServeHTTP(w, r)
	}
}

func emptyLimiter(t testing.TB) *ratelimit.Limiter {
	limiter, err := ratelimit.New(routetest.Says{}, tokenbucket.Limit{Rate: 100, Period: 60e9})
	require.NoError(t, err)
	return limiter
}

// BenchmarkAllowed measures a request that is let through, on a store that does nothing:
// the decision alone, Echo without a limit, and Echo with one.
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
		{"Echo", serving()},
		{"Middleware", serving(newLimit(b, limiter, alice))},
		{"Middleware/HTTP", serving(newLimit(b, limiter, echolimit.HTTP(func(*http.Request) string { return "alice" })))},
		{"Middleware/HeadersNone", serving(newLimit(b, limiter, alice, echolimit.WithHeaders(httplimit.HeadersNone)))},
		{"Middleware/WithContext", serving(newLimit(b, limiter, alice, echolimit.WithContext()))},
	} {
		b.Run(arm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				arm.serve()
			}
		})
	}
}
