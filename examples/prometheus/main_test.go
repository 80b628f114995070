package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/examples/internal/servetest"
)

func TestPrometheus(t *testing.T) {
	url := servetest.Start(t, program)
	get := func(path string, status int) string {
		w, body := servetest.Do(t, http.MethodGet, url+path)
		require.Equal(t, status, w.StatusCode, body)
		return body
	}
	require.Contains(t, get("/metrics", http.StatusOK),
		`ratelimit_decisions_total{algorithm="token_bucket",namespace="hello",outcome="denied"} 0`)
	for range 3 {
		require.Equal(t, "Hello.\n", get("/", http.StatusOK))
	}
	get("/", http.StatusTooManyRequests)

	metrics := get("/metrics", http.StatusOK)
	for _, line := range []string{
		`ratelimit_decisions_total{algorithm="token_bucket",namespace="hello",outcome="allowed"} 3`,
		`ratelimit_decisions_total{algorithm="token_bucket",namespace="hello",outcome="denied"} 1`,
		`ratelimit_decision_duration_seconds_count{algorithm="token_bucket",namespace="hello"} 4`,
		`ratelimit_batch_size_count{algorithm="token_bucket",namespace="hello"} 4`,
		`ratelimit_breakers_open{algorithm="token_bucket",namespace="hello"} 0`,
	} {
		require.Contains(t, metrics, line+"\n")
	}
	require.NotContains(t, metrics, "127.0.0.1")
}
