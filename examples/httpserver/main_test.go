package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
)

func TestServer(t *testing.T) {
	for _, test := range []struct {
		name  string
		redis func(testing.TB) string
	}{
		{"Embedded", func(testing.TB) string { return "" }},
		{"Real", func(t testing.TB) string { return redistest.Start(t).URL() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			url, log := start(t, "-redis", test.redis(t), "-rate", "3", "-period", "1h")
			for range 3 {
				require.Equal(t, http.StatusOK, get(t, url, "alice").StatusCode)
			}
			denied := get(t, url, "alice")
			require.Equal(t, http.StatusTooManyRequests, denied.StatusCode)
			seconds, err := strconv.Atoi(denied.Header.Get("Retry-After"))
			require.NoError(t, err)
			require.InDelta(t, 1200, seconds, 60, "a unit comes back every 20 minutes")
			require.Equal(t, `"default";q=3;w=3600`, denied.Header.Get("RateLimit-Policy"))
			require.Contains(t, denied.Header.Get("RateLimit"), `"default";r=0;t=`)

			for _, other := range []string{"bob", ""} {
				require.Equal(t, http.StatusOK, get(t, url, other).StatusCode)
			}
			require.NotContains(t, log(), "alice")
			require.Contains(t, log(), `msg="ratelimit: denied"`)
		})
	}
}

// A request without a key is limited by the address of its peer, whatever the port.
func TestPeer(t *testing.T) {
	url, _ := start(t, "-rate", "1", "-period", "1h")
	require.Equal(t, http.StatusOK, get(t, url, "").StatusCode)
	require.Equal(t, http.StatusTooManyRequests, get(t, url, "").StatusCode)
	require.Equal(t, http.StatusOK, get(t, url, "127.0.0.1").StatusCode, "a key is not an address")
}

func TestServesWhileRedisIsDown(t *testing.T) {
	url, log := start(t, "-redis", "redis://127.0.0.1:1", "-rate", "1", "-period", "1h")
	for range 3 {
		require.Equal(t, http.StatusOK, get(t, url, "alice").StatusCode)
	}
	require.Contains(t, log(), "class=refused")
}

func TestBadFlags(t *testing.T) {
	for args, want := range map[string]string{
		"-rate x":             "-rate",
		"-rate 0":             "Rate is 0",
		"-redis http://there": "-redis",
		"now":                 `"now"`,
	} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, 2, run(t.Context(), strings.Fields(args), &stdout, &stderr))
		require.Contains(t, stderr.String(), want)
	}
	var stdout, stderr bytes.Buffer
	require.Equal(t, 1, run(t.Context(), []string{"-addr", "127.0.0.1:none"}, &stdout, &stderr))
	require.Contains(t, stderr.String(), "bad -addr")
}

// start runs the program on a free port until the test ends. It returns the URL that the
// program prints, and a function that ends the program and returns what it has logged.
func start(t *testing.T, args ...string) (url string, log func() string) {
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
	log = func() string {
		stop()
		if code, ok := <-ended; ok {
			require.Zero(t, code, "a stopped server has not failed")
			close(ended)
		}
		return stderr.String()
	}
	t.Cleanup(func() { log() })

	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if found := regexp.MustCompile(`'(http://[^?]*)`).FindStringSubmatch(lines.Text()); found != nil {
			return found[1], log
		}
	}
	t.Fatal("it did not start: ", log())
	return "", nil
}

// get sends a request, on a connection of its own.
func get(t *testing.T, url, key string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	request.Close = true
	if key != "" {
		request.Header.Set("X-API-Key", key)
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response
}
