package fiberlimit_test

import (
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"

	"github.com/distributed-rate-limiter/ratelimit/middleware/fiberlimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

// BenchmarkAllowed measures a request that is let through, on a store that does nothing:
// the decision alone, an app without the middleware, and one with it. The middleware adds
// the last less the first two. Each response begins without header fields.
func BenchmarkAllowed(b *testing.B) {
	empty := says{now: time.Unix(1_800_000_000, 0), remaining: 50, reset: 30 * time.Second}
	limiter := perMinute(b, empty, "a", 100)
	b.Run("Decision", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := limiter.Allow(b.Context(), "header:x-api-key:k"); err != nil {
				b.Fatal(err)
			}
		}
	})
	trusted := must(fiberlimit.Address(httplimit.Address{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}))
	next := func(c fiber.Ctx) error { return c.Next() }
	nothing := func(fiber.Ctx) error { return nil }
	for _, arm := range []struct {
		name  string
		limit fiber.Handler
	}{
		{"App", next},
		{"Middleware", limit(b, limiter, alice)},
		{"Middleware/Header", limit(b, limiter, must(fiberlimit.Header("X-API-Key")))},
		{"Middleware/Peer", limit(b, limiter, fiberlimit.Peer)},
		{"Middleware/Trusted", limit(b, limiter, trusted)},
		{"Middleware/BasicAuth", limit(b, limiter, fiberlimit.BasicAuth)},
		{"Middleware/HeadersX", limit(b, limiter, alice, fiberlimit.WithHeaders(httplimit.HeadersX))},
		{"Middleware/HeadersNone", limit(b, limiter, alice, fiberlimit.WithHeaders(httplimit.HeadersNone))},
		{"Middleware/WithContext", limit(b, limiter, alice, fiberlimit.WithContext())},
	} {
		b.Run(arm.name, func(b *testing.B) {
			serve, c := serveAlone(arm.limit, nothing)
			b.ReportAllocs()
			for b.Loop() {
				serve()
			}
			require.Equal(b, http.StatusOK, c.Response.StatusCode())
		})
	}
}

// serveAlone returns a function that serves a request by handlers each time it is called,
// and the context that it reuses for the request, as a server does.
func serveAlone(handlers ...fiber.Handler) (serve func(), c *fasthttp.RequestCtx) {
	handler := chain(handlers...).Handler()
	c = &fasthttp.RequestCtx{}
	var r fasthttp.Request
	r.Header.SetMethod(http.MethodGet)
	r.SetRequestURI("http://a/")
	for name, value := range map[string]string{
		"X-Forwarded-For": "6.6.6.6, 203.0.113.9, 10.0.0.2", "X-Api-Key": "k", "User-Agent": "curl/8.5.0",
		"Accept": "*/*", "Authorization": "Basic YWxpY2U6c2VjcmV0",
	} {
		r.Header.Set(name, value)
	}
	c.Init(&r, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 443}, nil)
	return func() {
		c.ResetUserValues()
		c.Response.Reset()
		handler(c)
	}, c
}
