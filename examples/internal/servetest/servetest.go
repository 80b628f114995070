// Package servetest runs the serving examples for their tests.
package servetest

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"regexp"
	"testing"

	"github.com/distributed-rate-limiter/ratelimit/examples/internal/serve"
)

// Start runs a program on a free port until the test ends, and returns the URL that the
// program prints. The test fails if the program fails.
func Start(t testing.TB, program serve.Program, args ...string) string {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	stdout, w := io.Pipe()
	var stderr bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		code := program.Run(ctx, append(args, "-addr", "127.0.0.1:0"), w, &stderr)
		w.Close()
		ended <- code
	}()
	t.Cleanup(func() {
		stop()
		if code := <-ended; code != 0 {
			t.Errorf("%s ended with code %d: %s", program.Name, code, stderr.String())
		}
	})
	url := ""
	lines := bufio.NewScanner(stdout)
	for url == "" && lines.Scan() {
		url = regexp.MustCompile(`http://[0-9.:]+`).FindString(lines.Text())
	}
	go io.Copy(io.Discard, stdout) // so that the program does not block on writing
	if url == "" {
		t.Fatal(program.Name + " did not start")
	}
	return url
}

// Do sends a request on a connection of its own, and returns the response and its body.
// fields are alternating names and values of the request's header.
func Do(t testing.TB, method, url string, fields ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Close = true
	for i := 0; i < len(fields); i += 2 {
		request.Header.Set(fields[i], fields[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}
