package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestServer(t *testing.T) {
	url, output := start(t, "-rate", "3", "-period", "1h", "-interval", "1h")
	for range 3 {
		require.Equal(t, "Hello.\n", get(t, url, http.StatusOK))
	}
	get(t, url, http.StatusTooManyRequests)
	text := output()
	require.NotContains(t, text, "127.0.0.1")

	type attributes []struct {
		Key   string
		Value struct{ Value any }
	}
	spans, outcomes, decisions := map[string]string{}, map[string]int{}, map[string]int{}
	parents := []string{}
	for decoder := json.NewDecoder(strings.NewReader(text)); ; {
		var object struct {
			Name                string
			SpanContext, Parent struct{ SpanID string }
			Attributes          attributes
			ScopeMetrics        []struct {
				Metrics []struct {
					Name string
					Data struct {
						DataPoints []struct {
							Attributes attributes
							Value      int
						}
					}
				}
			}
		}
		err := decoder.Decode(&object)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		spans[object.SpanContext.SpanID] = object.Name
		for _, a := range object.Attributes {
			if a.Key == "rate_limiting.outcome" {
				outcomes[a.Value.Value.(string)]++
				parents = append(parents, object.Parent.SpanID)
			}
		}
		for _, scope := range object.ScopeMetrics {
			for _, m := range scope.Metrics {
				if m.Name != "rate_limiting.decisions" {
					continue
				}
				for _, point := range m.Data.DataPoints {
					for _, a := range point.Attributes {
						if a.Key == "rate_limiting.outcome" {
							decisions[a.Value.Value.(string)] = point.Value
						}
					}
				}
			}
		}
	}
	want := map[string]int{"allowed": 3, "denied": 1}
	require.Equal(t, want, outcomes, "of spans")
	require.Equal(t, want, decisions, "of metrics")
	for _, parent := range parents {
		require.Equal(t, "GET", spans[parent])
	}
}

func TestBadFlags(t *testing.T) {
	for args, want := range map[string]string{
		"-rate x": "-rate",
		"-rate 0": "Rate is 0",
		"now":     `"now"`,

		"-interval 0s": "bad -interval: it is 0s",
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
// the program prints; and output, which ends the program and returns what it has
// written to its standard output.
func start(t *testing.T, args ...string) (url string, output func() string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	stderr, w := io.Pipe()
	var stdout bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		code := run(ctx, append(args, "-addr", "127.0.0.1:0"), &stdout, w)
		w.Close()
		ended <- code
	}()
	output = func() string {
		stop()
		if code, ok := <-ended; ok {
			require.Zero(t, code, "a stopped server has not failed")
			close(ended)
		}
		return stdout.String()
	}
	t.Cleanup(func() { output() })

	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if found := regexp.MustCompile(`'(http://[^?]*)`).FindStringSubmatch(lines.Text()); found != nil {
			go func() { _, _ = io.Copy(io.Discard, stderr) }()
			return found[1], output
		}
	}
	t.Fatal("it did not start")
	return "", nil
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
