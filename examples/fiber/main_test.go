package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/examples/internal/servetest"
)

func TestFiber(t *testing.T) {
	url := servetest.Start(t, program)
	denied := 0
	for range 20 { // a unit comes back every 2 s
		w, body := servetest.Do(t, http.MethodGet, url+"/", "X-API-Key", "alice")
		require.Contains(t, w.Header.Get("RateLimit-Policy"), `"default";q=5;w=10`)
		if w.StatusCode == http.StatusTooManyRequests {
			denied++
			require.NotEmpty(t, w.Header.Get("Retry-After"))
			continue
		}
		require.Equal(t, http.StatusOK, w.StatusCode)
		require.Equal(t, "Hello.\n", body)
	}
	require.NotZero(t, denied)
	w, _ := servetest.Do(t, http.MethodGet, url+"/", "X-API-Key", "bob")
	require.Equal(t, http.StatusOK, w.StatusCode)
	w, _ = servetest.Do(t, http.MethodGet, url+"/")
	require.Equal(t, http.StatusOK, w.StatusCode)
	w, _ = servetest.Do(t, http.MethodGet, url+"/healthz")
	require.Equal(t, http.StatusNoContent, w.StatusCode)
	require.Empty(t, w.Header.Get("RateLimit"))
}
