package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestServer(t *testing.T) {
	url := start(t, "-rate", "3", "-period", "1h")
	require.Contains(t, get(t, url+"metrics", http.StatusOK),
		`ratelimit_decisions_total{algorithm="token_bucket",namespace="hello",outcome="denied"} 0`)
	for range 3 {
		require.Equal(t, "Hello.\n", get(t, url, http.StatusOK))
	}
	get(t, url, http.StatusTooManyRequests)

	metrics := get(t, url+"metrics", http.StatusOK)
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

func TestBadFlags(t *testing.T) {
	for args, want := range map[string]string{
		"-rate x": "-rate",
		"-rate 0": "Rate is 0",
		"now":     `"now"`,
	} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, 2, run(t.Context(), strings.Fields(args), &stdout, &stderr))
		require.Contains(t, stderr.String(), want)
	}
	var stdout, stderr bytes.Buffer
	require.Equal(t, 1, run(t.Context(), []string{"-addr", "127.0.0.1:none"}, &stdout, &stderr))
	require.Contains(t, stderr.String(), "bad -addr")
	require.Zero(t, run(t.Context(), []string{"-h"}, &stdout, &stderr))
}

// start runs the program on a free port until the test ends. It returns the URL that
// the program prints.
func start(t *testing.T, args ...string) string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	stdout, w := io.Pipe()
	var stderr bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		code := run(ctx, append(args, "-addr", "127.0.0.1:0"), w, &stderr)
		w.Close()
		ended <- code
	}()
	t.Cleanup(func() {
		stop()
		require.Zero(t, <-ended, stderr.String())
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if found := regexp.MustCompile(`'(http://[^?]*)`).FindStringSubmatch(lines.Text()); found != nil {
			go func() { _, _ = io.Copy(io.Discard, stdout) }()
			return found[1]
		}
	}
	t.Fatal("it did not start: ", stderr.String())
	return ""
}

// get sends a request on a connection of its own, and returns the body.
func get(t *testing.T, url string, status int) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, status, response.StatusCode, string(body))
	return string(body)
}
