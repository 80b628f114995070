package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/examples/internal/servetest"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
)

func TestPlans(t *testing.T) {
	for name, redis := range map[string]func(testing.TB) string{
		"Embedded": func(testing.TB) string { return "" },
		"Real":     func(t testing.TB) string { return redistest.Start(t).URL() },
	} {
		t.Run(name, func(t *testing.T) { testPlans(t, servetest.Start(t, program, "-redis", redis(t))) })
	}
}

func testPlans(t *testing.T, url string) {
	get := func(key string) *http.Response {
		w, _ := servetest.Do(t, http.MethodGet, url+"/", "X-API-Key", key)
		return w
	}
	set := func(key, plan string) int {
		w, _ := servetest.Do(t, http.MethodPut, url+"/plan/"+plan, "X-API-Key", key)
		return w.StatusCode
	}
	for range 3 {
		require.Equal(t, http.StatusOK, get("alice").StatusCode)
	}
	require.Equal(t, http.StatusTooManyRequests, get("alice").StatusCode)
	require.Equal(t, http.StatusOK, get("bob").StatusCode)
	require.Equal(t, http.StatusUnauthorized, get("mallory").StatusCode)

	// An upgrade takes effect at once. What was taken before still counts: of 50, less 3
	// and less this one, 46 remain.
	require.Equal(t, http.StatusOK, set("alice", "pro"))
	w := get("alice")
	require.Equal(t, http.StatusOK, w.StatusCode)
	require.Contains(t, w.Header.Get("RateLimit"), `"pro";r=46;`)
	require.Equal(t, `"pro";q=50;w=3600`, w.Header.Get("RateLimit-Policy"))

	// So does a downgrade, and a client that goes down and up again gets no fresh limit.
	require.Equal(t, http.StatusOK, set("alice", "free"))
	require.Equal(t, http.StatusTooManyRequests, get("alice").StatusCode)
	require.Equal(t, http.StatusOK, set("alice", "pro"))
	require.Contains(t, get("alice").Header.Get("RateLimit"), `"pro";r=`)

	require.Equal(t, http.StatusNotFound, set("alice", "gold"))
	require.Equal(t, http.StatusNotFound, set("mallory", "pro"))
}
