package main

import (
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/examples/internal/servetest"
)

func TestGin(t *testing.T) {
	gin.SetMode(gin.ReleaseMode)
	url := servetest.Start(t, program)
	for range 5 {
		w, body := servetest.Do(t, http.MethodGet, url+"/", "X-API-Key", "k1")
		require.Equal(t, http.StatusOK, w.StatusCode)
		require.Equal(t, "Hello, alice.\n", body)
		require.Equal(t, `"default";q=5;w=3600`, w.Header.Get("RateLimit-Policy"))
	}
	w, body := servetest.Do(t, http.MethodGet, url+"/", "X-API-Key", "k1")
	require.Equal(t, http.StatusTooManyRequests, w.StatusCode)
	require.NotEmpty(t, w.Header.Get("Retry-After"))
	require.JSONEq(t, `{"error":"too many requests"}`, body)

	w, body = servetest.Do(t, http.MethodGet, url+"/", "X-API-Key", "k2")
	require.Equal(t, http.StatusOK, w.StatusCode)
	require.Equal(t, "Hello, bob.\n", body)
	for i, made := range []string{"a", "b", "c", "d", "e", "f"} { // made-up keys, and made-up addresses
		w, _ := servetest.Do(t, http.MethodGet, url+"/", "X-API-Key", made, "X-Forwarded-For", "203.0.113."+made)
		require.Equal(t, i == 5, w.StatusCode == http.StatusTooManyRequests)
	}
	w, _ = servetest.Do(t, http.MethodGet, url+"/healthz")
	require.Equal(t, http.StatusNoContent, w.StatusCode)
}
