package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

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
			addr, log := start(t, "-redis", test.redis(t), "-rate", "3", "-period", "1h")
			client, err := dial(addr)
			require.NoError(t, err)
			defer client.Close()
			for range 3 {
				reply, err := call(t.Context(), client, "alice")
				require.NoError(t, err)
				require.Equal(t, "Hello, alice.", reply)
			}
			_, err = call(t.Context(), client, "alice")
			require.Equal(t, codes.ResourceExhausted, status.Code(err))
			retry := status.Convert(err).Details()[0].(*errdetails.RetryInfo).GetRetryDelay().AsDuration()
			require.InDelta(t, 20*time.Minute, retry, float64(time.Minute), "a unit comes back every 20 minutes")
			require.Contains(t, describe("", err), `limit "client": 1 asked for, 0 left of 3`)

			for _, other := range []string{"bob", ""} { // an empty key counts as none
				_, err := call(t.Context(), client, other)
				require.NoError(t, err)
			}
			for range 5 {
				_, err = grpc_health_v1.NewHealthClient(client).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
				require.NoError(t, err, "health checks are not limited")
			}
			require.NotContains(t, log(), "alice")
			require.Contains(t, log(), `msg="ratelimit: denied"`)
		})
	}
}

func TestServesWhileRedisIsDown(t *testing.T) {
	addr, log := start(t, "-redis", "redis://127.0.0.1:1", "-rate", "1", "-period", "1h")
	client, err := dial(addr)
	require.NoError(t, err)
	defer client.Close()
	for range 3 {
		_, err := call(t.Context(), client, "alice")
		require.NoError(t, err)
	}
	require.Contains(t, log(), "class=refused")
}

// A client that does not limit itself is denied, and told when to come back.
func TestCareless(t *testing.T) {
	addr, _ := start(t, "-rate", "2", "-period", "1h")
	var out bytes.Buffer
	require.NoError(t, careless(t.Context(), addr, 3, &out))
	require.Regexp(t, `^(alice: Hello, alice\.\n){2}`+
		`alice: ResourceExhausted, retry in (30m0s|29m\d+\.\d+s), limit "client": 1 asked for, 0 left of 2\n$`, out.String())
}

// TestDemonstration runs the whole program. bob is never denied, because his client waits.
func TestDemonstration(t *testing.T) {
	var stdout, stderr bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"-rate", "20", "-period", "100ms"}, &stdout, &stderr), stderr.String())
	require.Len(t, regexp.MustCompile(`(?m)^alice: `).FindAllString(stdout.String(), -1), 21)
	require.Len(t, regexp.MustCompile(`(?m)^bob, after \S+: Hello, bob\.$`).FindAllString(stdout.String(), -1), 21, stdout.String())
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

// start runs the server on a free port until the test ends. It returns the address that
// the program prints, and a function that ends the program and returns what it has logged.
func start(t *testing.T, args ...string) (addr string, log func() string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	stdout, w := io.Pipe()
	var stderr bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		code := run(ctx, append(args, "-serve"), w, &stderr)
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
		if found := regexp.MustCompile(`served at (\S+)`).FindStringSubmatch(lines.Text()); found != nil {
			return found[1], log
		}
	}
	t.Fatal("it did not start: ", log())
	return "", nil
}
