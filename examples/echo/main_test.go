package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/examples/internal/servetest"
)

func TestEcho(t *testing.T) {
	url := servetest.Start(t, program)
	for _, step := range []struct {
		path   string
		status int
		body   string
	}{
		{"/search", 200, "Found.\n"},
		{"/search", 200, "Found.\n"},
		{"/search", 429, `{"error":"Too Many Requests"}` + "\n"},
		{"/", 200, "Hello.\n"},
		{"/nowhere", 404, `{"error":"Not Found"}` + "\n"},
		{"/", 429, `{"error":"Too Many Requests"}` + "\n"},
		{"/healthz", 204, ""},
	} {
		w, body := servetest.Do(t, http.MethodGet, url+step.path)
		require.Equal(t, step.status, w.StatusCode, step.path)
		require.Equal(t, step.body, body)
		require.Equal(t, step.status == http.StatusTooManyRequests, w.Header.Get("Retry-After") != "")
		require.Equal(t, step.path != "/healthz", w.Header.Get("RateLimit") != "")
	}
}
