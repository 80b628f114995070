package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/examples/internal/servetest"
)

func TestChi(t *testing.T) {
	url := servetest.Start(t, program)
	for i, status := range []int{http.StatusOK, http.StatusOK, http.StatusTooManyRequests} {
		w, body := servetest.Do(t, http.MethodGet, url+"/teams/red/reports")
		require.Equal(t, status, w.StatusCode, i)
		require.Equal(t, `"address";q=20;w=3600, "reports";q=2;w=3600`, w.Header.Get("RateLimit-Policy"))
		if status == http.StatusOK {
			require.Equal(t, "A report for team red.\n", body)
		} else {
			require.Contains(t, body, `"violated-policies":["reports"]`)
			require.NotEmpty(t, w.Header.Get("Retry-After"))
		}
	}
	w, body := servetest.Do(t, http.MethodGet, url+"/teams/blue/reports")
	require.Equal(t, http.StatusOK, w.StatusCode)
	require.Equal(t, "A report for team blue.\n", body)

	denied := 0
	for range 20 { // with the four before, more than the address may send
		w, _ := servetest.Do(t, http.MethodGet, url+"/")
		if w.StatusCode == http.StatusTooManyRequests {
			denied++
		}
	}
	require.NotZero(t, denied)
	w, _ = servetest.Do(t, http.MethodGet, url+"/healthz")
	require.Equal(t, http.StatusNoContent, w.StatusCode)
}
