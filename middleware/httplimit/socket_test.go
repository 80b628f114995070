package httplimit_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

// serve serves h on a socket until the test ends, by HTTP/1.1 or by HTTP/2.
func serve(t *testing.T, h http.Handler, http2 bool) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.EnableHTTP2 = http2
	if http2 {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return server
}

// send sends a request and returns the response with its body.
func send(t *testing.T, server *httptest.Server, method, path string, fields ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
	require.NoError(t, err)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	w, err := server.Client().Do(r)
	require.NoError(t, err)
	defer w.Body.Close()
	body, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	return w, string(body)
}

func TestSockets(t *testing.T) {
	for name, http2 := range map[string]bool{"HTTP1": false, "HTTP2": true} {
		t.Run(name, func(t *testing.T) {
			t.Run("Streams", func(t *testing.T) { testStreams(t, http2) })
			t.Run("Methods", func(t *testing.T) { testMethods(t, http2) })
			t.Run("Nested", func(t *testing.T) { testNested(t, http2) })
			t.Run("Several", func(t *testing.T) { testSeveral(t, http2) })
			t.Run("Writer", func(t *testing.T) { testWriter(t, http2) })
			t.Run("Abandoned", func(t *testing.T) { testAbandoned(t, http2) })
		})
	}
	t.Run("Hijack", testHijack)
}

// testStreams checks that what a handler flushes reaches the client before the handler
// ends.
func testStreams(t *testing.T, http2 bool) {
	read := make(chan struct{})
	server := serve(t, wrap(t, perMinute(t, startRedis(t), "a", 5), httplimit.Peer, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, flush := range []func() error{
			func() error { w.(http.Flusher).Flush(); return nil },
			http.NewResponseController(w).Flush,
		} {
			io.WriteString(w, "line\n")
			if err := flush(); err != nil {
				t.Error(err)
			}
			select {
			case <-read:
			case <-r.Context().Done():
				t.Error("the client did not get it")
			}
		}
	})), http2)
	w, err := server.Client().Get(server.URL)
	require.NoError(t, err)
	defer w.Body.Close()
	require.Equal(t, http2, w.ProtoMajor == 2)
	require.Equal(t, `"default";r=4;t=12`, w.Header.Get("RateLimit"))
	lines := bufio.NewScanner(w.Body)
	for range 2 {
		require.True(t, lines.Scan())
		read <- struct{}{}
	}
	require.False(t, lines.Scan())
}

// testMethods checks that HEAD is answered like GET, without the body, and that OPTIONS is
// limited like any other method.
func testMethods(t *testing.T, http2 bool) {
	server := serve(t, wrap(t, perMinute(t, startRedis(t), "a", 1), httplimit.Peer, ok), http2)
	w, body := send(t, server, http.MethodOptions, "/")
	require.Equal(t, http.StatusOK, w.StatusCode)
	require.Equal(t, "ok", body)
	get, problem := send(t, server, http.MethodGet, "/")
	head, none := send(t, server, http.MethodHead, "/")
	require.Equal(t, http.StatusTooManyRequests, get.StatusCode)
	require.Equal(t, int64(len(problem)), get.ContentLength)
	require.Empty(t, none)
	get.Header.Del("Date")
	head.Header.Del("Date")
	require.Equal(t, get.Header, head.Header)
	require.Equal(t, get.StatusCode, head.StatusCode)
	require.Equal(t, []string{"60"}, head.Header["Retry-After"])
}

func testNested(t *testing.T, http2 bool) {
	redis := startRedis(t)
	inner := wrapAll(t, []httplimit.Limit{{Name: "search", Limiter: perMinute(t, redis, "s", 1), Identity: httplimit.Peer}}, ok)
	mux := http.NewServeMux()
	mux.Handle("/search", inner)
	mux.Handle("/", ok)
	server := serve(t, wrapAll(t, []httplimit.Limit{{Name: "all", Limiter: perMinute(t, redis, "a", 3), Identity: httplimit.Peer}}, mux), http2)
	w, _ := send(t, server, http.MethodGet, "/search")
	require.Equal(t, []string{`"all";r=2;t=20, "search";r=0;t=60`}, w.Header["Ratelimit"])
	require.Equal(t, []string{`"all";q=3;w=60, "search";q=1;w=60`}, w.Header["Ratelimit-Policy"])
	w, body := send(t, server, http.MethodGet, "/search")
	require.Equal(t, http.StatusTooManyRequests, w.StatusCode)
	require.Equal(t, []string{`"all";r=1;t=40, "search";r=0;t=60`}, w.Header["Ratelimit"])
	require.Contains(t, body, `["search"]`)
	w, _ = send(t, server, http.MethodGet, "/")
	require.Equal(t, []string{`"all";r=0;t=60`}, w.Header["Ratelimit"])
	w, body = send(t, server, http.MethodGet, "/search")
	require.Equal(t, []string{"20"}, w.Header["Retry-After"])
	require.Contains(t, body, `["all"]`)
}

func testSeveral(t *testing.T, http2 bool) {
	server := serve(t, wrapAll(t, minuteAndDay(t, startRedis(t), 3), ok), http2)
	for range 2 {
		w, _ := send(t, server, http.MethodGet, "/")
		require.Equal(t, http.StatusOK, w.StatusCode)
	}
	w, body := send(t, server, http.MethodGet, "/", "Accept", "text/html, */*;q=0.8")
	require.Equal(t, http.StatusTooManyRequests, w.StatusCode)
	require.Equal(t, `"minute";r=0;t=30, "day";r=1`, w.Header.Get("RateLimit"))
	require.Equal(t, "too many requests\n", body)
}

// testWriter checks that the handler gets the very ResponseWriter that the server made.
func testWriter(t *testing.T, http2 bool) {
	var outer http.ResponseWriter
	limited := wrap(t, perMinute(t, startRedis(t), "a", 1), httplimit.Peer, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if w != outer {
			t.Errorf("it is a %T, not the %T", w, outer)
		}
		if _, ok := w.(io.ReaderFrom); ok == http2 {
			t.Error("io.ReaderFrom is one of HTTP/1.1's")
		}
		if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Error(err)
		}
	}))
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		outer = w
		limited.ServeHTTP(w, r)
	}), http2)
	w, _ := send(t, server, http.MethodGet, "/")
	require.Equal(t, http.StatusOK, w.StatusCode)
}

// testAbandoned checks that the handler is not called if the client leaves before the
// decision.
func testAbandoned(t *testing.T, http2 bool) {
	asked, served := make(chan struct{}), make(chan int, 1)
	limited := wrap(t, perMinute(t, startRedis(t), "a", 1), func(r *http.Request) string {
		close(asked)
		<-r.Context().Done()
		return "alice"
	}, never(t))
	server := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		w := httptest.NewRecorder()
		limited.ServeHTTP(w, r)
		served <- w.Code
	}), http2)
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		<-asked
		leave()
	}()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
	require.NoError(t, err)
	_, err = server.Client().Do(r)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, http.StatusServiceUnavailable, <-served)
}

func testHijack(t *testing.T) {
	server := serve(t, wrap(t, perMinute(t, startRedis(t), "a", 1), httplimit.Peer, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		connection, buffer, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer connection.Close()
		buffer.WriteString("HTTP/1.1 101 Switching Protocols\r\n\r\nhello")
		buffer.Flush()
	})), false)
	connection, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer connection.Close()
	_, err = io.WriteString(connection, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	got, err := io.ReadAll(connection)
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 101 Switching Protocols\r\n\r\nhello", string(got))
	w, _ := send(t, server, http.MethodGet, "/")
	require.Equal(t, http.StatusTooManyRequests, w.StatusCode)
}

// TestUnixSocket checks that the name that a client gives its own end of a Unix socket
// counts neither as its address nor as that of a trusted proxy.
func TestUnixSocket(t *testing.T) {
	t.Chdir(t.TempDir()) // names of sockets are paths
	behind := identityOf(t, httplimit.Address{Trusted: prefixes("10.0.0.0/8")})
	counted := identityOf(t, httplimit.Address{Hops: 1})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %q %q %q", r.RemoteAddr, httplimit.Peer(r), behind(r), counted(r))
	}))
	server.Listener.Close()
	listener, err := net.Listen("unix", "server")
	require.NoError(t, err)
	server.Listener = listener
	server.Start()
	defer server.Close()
	for _, name := range []string{"10.0.0.5", "10.0.0.6:80"} {
		connection, err := net.DialUnix("unix", &net.UnixAddr{Name: name, Net: "unix"}, &net.UnixAddr{Name: "server", Net: "unix"})
		require.NoError(t, err)
		defer connection.Close()
		_, err = io.WriteString(connection, "GET / HTTP/1.0\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n")
		require.NoError(t, err)
		got, err := io.ReadAll(connection)
		require.NoError(t, err)
		require.Contains(t, string(got), "\r\n\r\n"+name+` "" "" "ip:203.0.113.9"`)
	}
}

// TestRetryAfterIsRight checks that a client that comes back when Retry-After says gets
// through, by Redis's clock, and that one that comes a second earlier does not.
func TestRetryAfterIsRight(t *testing.T) {
	redis := startRedis(t)
	limiter := newLimiter(t, redis, tokenbucket.Limit{Rate: 3, Period: 7 * time.Second, Burst: 2})
	server := serve(t, wrap(t, limiter, httplimit.Peer, ok), false)
	get := func() (*http.Response, time.Duration) {
		w, _ := send(t, server, http.MethodGet, "/")
		seconds, _ := strconv.Atoi(w.Header.Get("Retry-After"))
		return w, time.Duration(seconds) * time.Second
	}
	denials := 0
	for range 40 {
		w, wait := get()
		if w.StatusCode == http.StatusOK {
			redis.Advance(100 * time.Millisecond)
			continue
		}
		denials++
		require.Equal(t, http.StatusTooManyRequests, w.StatusCode)
		require.Positive(t, wait)
		redis.Advance(wait - time.Second)
		if wait > time.Second {
			w, _ = get()
			require.Equal(t, http.StatusTooManyRequests, w.StatusCode, "it would have been let through a second earlier")
		}
		redis.Advance(time.Second)
		w, _ = get()
		require.Equal(t, http.StatusOK, w.StatusCode)
	}
	require.Greater(t, denials, 10)
}

// TestCurl checks that curl, a client other than Go's, reads the responses and waits as
// they say.
func TestCurl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("there is no curl: install it to have it read the responses")
	}
	redis := startRedis(t)
	server := serve(t, wrap(t, perMinute(t, redis, "a", 60), httplimit.Peer, ok), true)
	run := func(args ...string) string {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		out, err := exec.CommandContext(ctx, curl, append([]string{"-s", "-k", "--noproxy", "*", server.URL}, args...)...).Output()
		require.NoError(t, err)
		return strings.ReplaceAll(string(out), "\r\n", "\n")
	}
	got := run("-i")
	require.Contains(t, strings.ToLower(got), "\nratelimit: \"default\";r=59;t=1\n")
	for range 59 {
		send(t, server, http.MethodGet, "/")
	}
	require.Contains(t, strings.ToLower(run("-i")), "\nretry-after: 1\n")
	require.Equal(t, "429 application/problem+json", run("-o", "/dev/null", "-w", "%{http_code} %{content_type}"))
	require.Equal(t, "429 text/plain; charset=utf-8", run("-H", "Accept: text/plain", "-o", "/dev/null", "-w", "%{http_code} %{content_type}"))
	require.Equal(t, "0", run("-I", "-o", "/dev/null", "-w", "%{size_download}"))

	redis.SetTime(time.Time{}) // let its clock run, so that curl's wait helps
	for range 60 {
		send(t, server, http.MethodGet, "/")
	}
	require.Equal(t, "ok 200", run("-f", "--retry", "5", "-w", " %{http_code}"))
}
