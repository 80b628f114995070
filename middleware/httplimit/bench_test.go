package httplimit_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

// discard is a ResponseWriter that discards everything but the header.
type discard struct{ header http.Header }

func (d discard) Header() http.Header       { return d.header }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

var nothing = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})

// BenchmarkAllowed measures a request that is let through, on a store that does nothing:
// the decision alone, and with the middleware around it. Each response begins without
// header fields.
func BenchmarkAllowed(b *testing.B) {
	empty := &says{now: time.Unix(1_800_000_000, 0), remaining: 50, reset: 30 * time.Second}
	limiter := newLimiter(b, empty, tokenbucket.Limit{Rate: 100, Period: time.Minute})
	key, err := httplimit.Header("X-API-Key")
	require.NoError(b, err)
	trusted, err := httplimit.Address{Trusted: prefixes("10.0.0.0/8")}.Identity()
	require.NoError(b, err)
	r := request(with("X-Api-Key", "k"), with("X-Forwarded-For", "6.6.6.6, 203.0.113.9, 10.0.0.2"),
		func(r *http.Request) { r.RemoteAddr = "10.0.0.1:443" })

	b.Run("Decision", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := limiter.Allow(r.Context(), "header:x-api-key:k"); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, arm := range []struct {
		name     string
		identity httplimit.Identity
		options  []httplimit.Option
	}{
		{"Middleware", alice, nil},
		{"Middleware/Header", key, nil},
		{"Middleware/Peer", httplimit.Peer, nil},
		{"Middleware/Trusted", trusted, nil},
		{"Middleware/HeadersX", alice, []httplimit.Option{httplimit.WithHeaders(httplimit.HeadersX)}},
		{"Middleware/HeadersNone", alice, []httplimit.Option{httplimit.WithHeaders(httplimit.HeadersNone)}},
		{"Middleware/WithContext", alice, []httplimit.Option{httplimit.WithContext()}},
	} {
		b.Run(arm.name, func(b *testing.B) {
			h := wrap(b, limiter, arm.identity, nothing, arm.options...)
			w := discard{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				h.ServeHTTP(w, r)
			}
		})
	}
}

// BenchmarkWalk measures finding a client: in a field as proxies write it, and in fields
// that a client has filled with entries, quotes or parameters, up to the size that
// net/http allows for a header by default.
func BenchmarkWalk(b *testing.B) {
	const megabyte = 1 << 20
	walk, err := httplimit.Address{Trusted: prefixes("10.0.0.0/8"), Header: "Forwarded"}.Walk()
	require.NoError(b, err)
	for _, arm := range []struct{ name, line string }{
		{"Usual", "for=203.0.113.9, for=10.0.0.2"},
		{"Entries", strings.Repeat("for=6.6.6.6,", megabyte/12) + "for=203.0.113.9, for=10.0.0.2"},
		{"Quotes", strings.Repeat(`\"`, megabyte/2) + `"`},
		{"Parameters", strings.Repeat(`a="";`, megabyte/5)},
	} {
		b.Run(arm.name, func(b *testing.B) {
			lines := []string{arm.line}
			b.ReportAllocs()
			for b.Loop() {
				walk("10.0.0.1:443", lines)
			}
		})
	}
}
