// Package routetest tests the middleware of a framework over sockets, with HTTP/1.1 and
// HTTP/2. It compares the middleware with package httplimit: clients must get the same
// answers from both.
package routetest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
)

// Framework returns a handler that has next behind groups of limits. The first group is
// the outermost. Its routes take any path and method, and it does not catch panics.
type Framework func(t testing.TB, next http.HandlerFunc, groups ...[]httplimit.Limit) http.Handler

// NetHTTP is httplimit itself.
func NetHTTP(t testing.TB, next http.HandlerFunc, groups ...[]httplimit.Limit) http.Handler {
	var h http.Handler = next
	for i := len(groups) - 1; i >= 0; i-- {
		limit, err := httplimit.NewAll(groups[i])
		require.NoError(t, err)
		h = limit(h)
	}
	return h
}

// Says is a store that decides every request the same way: it lets the request through if
// Retry is 0.
type Says struct{ Retry time.Duration }

// Run implements [store.Store].
func (s Says) Run(context.Context, *store.Script, []string, []int64) ([]int64, error) {
	remaining := int64(50)
	if s.Retry > 0 {
		remaining = 0
	}
	return []int64{1_800_000_000_000_000, s.Retry.Microseconds(), remaining, 30_000_000}, nil
}

// Prompt tells that Run needs no goroutine.
func (Says) Prompt() bool { return true }

// Away is a store whose Redis cannot be reached.
type Away struct{}

// Run implements [store.Store].
func (Away) Run(context.Context, *store.Script, []string, []int64) ([]int64, error) {
	return nil, errors.New("connection refused")
}

// Prompt tells that Run needs no goroutine.
func (Away) Prompt() bool { return true }

// StartRedis returns a Redis whose clock stands still.
func StartRedis(t testing.TB) *embedded.Redis {
	t.Helper()
	redis, err := embedded.Start()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, redis.Close()) })
	redis.SetTime(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	return redis
}

// PerMinute returns a limiter of n units a minute on s, in the namespace name.
func PerMinute(t testing.TB, s store.Store, name string, n int64, options ...ratelimit.Option) *ratelimit.Limiter {
	t.Helper()
	options = append(options, ratelimit.WithNamespace(name), ratelimit.WithTimeout(10*time.Second)) // the machine may be busy
	limiter, err := ratelimit.New(s, tokenbucket.Limit{Rate: n, Period: time.Minute}, options...)
	require.NoError(t, err)
	return limiter
}

// Serve serves h on a socket until the test ends, by HTTP/1.1 or by HTTP/2.
func Serve(t testing.TB, h http.Handler, http2 bool) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.EnableHTTP2 = http2
	if http2 {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return server
}

// Send sends a request and returns the response and its body. fields are alternating names
// and values.
func Send(t testing.TB, server *httptest.Server, method, path string, fields ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
	require.NoError(t, err)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	w, err := server.Client().Do(r)
	require.NoError(t, err)
	defer w.Body.Close()
	body, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	return w, string(body)
}
