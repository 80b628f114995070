package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/examples/internal/servetest"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
)

func TestManyLimits(t *testing.T) {
	for name, redis := range map[string]func(testing.TB) string{
		"Embedded": func(testing.TB) string { return "" },
		"Real":     func(t testing.TB) string { return redistest.Start(t).URL() },
	} {
		t.Run(name, func(t *testing.T) { testManyLimits(t, servetest.Start(t, program, "-redis", redis(t))) })
	}
}

func testManyLimits(t *testing.T, url string) {
	get := func(path, key string) (*http.Response, string) {
		return servetest.Do(t, http.MethodGet, url+path, "X-API-Key", key)
	}
	for range 2 {
		w, body := get("/export", "alice")
		require.Equal(t, http.StatusOK, w.StatusCode)
		require.Equal(t, "That took 40.\n", body)
	}
	w, body := get("/export", "alice")
	require.Equal(t, http.StatusTooManyRequests, w.StatusCode)
	require.Contains(t, body, `"violated-policies":["day"]`)
	require.NotEmpty(t, w.Header.Get("Retry-After"))

	// The denied export was charged to no limit: what is left of the day is there for
	// cheaper requests. (It is 20 if a new day has just begun.)
	w, _ = get("/", "alice")
	require.Equal(t, http.StatusOK, w.StatusCode)
	require.Regexp(t, `"second";r=\d+(;t=\d+)?, "day";r=(19|20);t=\d+, "address";r=\d+(;t=\d+)?, "all";r=\d+(;t=\d+)?$`, w.Header.Get("RateLimit"))
	require.Equal(t, `"second";q=10;w=1, "day";q=100;w=86400, "address";q=60;w=6, "all";q=5000;w=1`, w.Header.Get("RateLimit-Policy"))

	w, _ = get("/export", "bob")
	require.Equal(t, http.StatusOK, w.StatusCode)
	w, _ = get("/", "")
	require.Equal(t, http.StatusBadRequest, w.StatusCode)
}
