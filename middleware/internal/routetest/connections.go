package routetest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

// Run tests a framework.
func Run(t *testing.T, framework Framework) {
	for name, http2 := range map[string]bool{"HTTP1": false, "HTTP2": true} {
		t.Run(name, func(t *testing.T) {
			t.Run("Answers", func(t *testing.T) { testAnswers(t, framework, http2) })
			t.Run("Streams", func(t *testing.T) { testStreams(t, framework, http2) })
			t.Run("Aborts", func(t *testing.T) { testAborts(t, framework, http2) })
			t.Run("Abandoned", func(t *testing.T) { testAbandoned(t, framework, http2) })
		})
	}
	t.Run("Upgrades", func(t *testing.T) { testUpgrades(t, framework) })
}

// few returns a group with a limit of n requests a minute.
func few(t testing.TB, n int64) []httplimit.Limit {
	return []httplimit.Limit{{Name: "default", Limiter: PerMinute(t, StartRedis(t), "a", n), Identity: httplimit.Peer}}
}

// testStreams checks that what a handler flushes reaches the client before the handler
// ends.
func testStreams(t *testing.T, framework Framework, http2 bool) {
	read, ended := make(chan struct{}), make(chan struct{})
	server := Serve(t, framework(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		for _, flush := range []func() error{
			func() error { w.(http.Flusher).Flush(); return nil },
			http.NewResponseController(w).Flush,
		} {
			_, _ = io.WriteString(w, "line\n")
			if err := flush(); err != nil {
				t.Error(err)
			}
			select {
			case <-read:
			case <-r.Context().Done():
				t.Error("the client did not get it")
			}
		}
	}, few(t, 5)), http2)
	w, err := server.Client().Get(server.URL)
	require.NoError(t, err)
	defer w.Body.Close()
	require.Equal(t, http.StatusOK, w.StatusCode)
	require.Equal(t, `"default";r=4;t=12`, w.Header.Get("RateLimit"))
	lines := bufio.NewScanner(w.Body)
	for range 2 {
		require.True(t, lines.Scan())
		require.Equal(t, "line", lines.Text())
		select {
		case read <- struct{}{}:
		case <-ended:
			require.Fail(t, "the handler ended before all was read")
		}
	}
	require.False(t, lines.Scan())
}

// testAborts checks that a handler can panic to abort the response.
func testAborts(t *testing.T, framework Framework, http2 bool) {
	server := Serve(t, framework(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, few(t, 2)), http2)
	for range 2 {
		_, err := server.Client().Post(server.URL, "", nil) // a POST is not repeated
		require.Error(t, err)
	}
	w, _ := Send(t, server, http.MethodPost, "/")
	require.Equal(t, http.StatusTooManyRequests, w.StatusCode, "they were charged")
}

// testAbandoned checks that the context of a decision ends when the client leaves.
func testAbandoned(t *testing.T, framework Framework, http2 bool) {
	asked, ended := make(chan struct{}), make(chan struct{})
	limits := few(t, 1)
	limits[0].Identity = func(r *http.Request) string {
		if r.URL.Path == "/" {
			close(asked)
			<-r.Context().Done()
		}
		return "alice"
	}
	h := framework(t, func(http.ResponseWriter, *http.Request) {}, limits)
	server := Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		if r.URL.Path == "/" {
			close(ended)
		}
	}), http2)
	r, err := http.NewRequest(http.MethodGet, server.URL+"/", nil)
	require.NoError(t, err)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	go func() {
		<-asked
		leave()
	}()
	_, err = server.Client().Do(r.WithContext(ctx))
	require.Error(t, err)
	<-ended
	w, _ := Send(t, server, http.MethodGet, "/other")
	require.Equal(t, http.StatusOK, w.StatusCode, "what was given up was not charged")
}

// testUpgrades checks that a handler may take over the connection, and that a refused
// request leaves it usable.
func testUpgrades(t *testing.T, framework Framework) {
	server := Serve(t, framework(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(buffered, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_ = buffered.Flush()
		line, _ := buffered.ReadString('\n')
		_, _ = io.WriteString(conn, "echo "+line)
	}, few(t, 1)), false)

	dial := func() (net.Conn, *bufio.Reader) {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		return conn, bufio.NewReader(conn)
	}
	ask := func(conn net.Conn) {
		fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	}
	conn, reader := dial()
	ask(conn)
	w, err := http.ReadResponse(reader, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, w.StatusCode)
	fmt.Fprintln(conn, "hello")
	line, err := reader.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "echo hello\n", line)

	conn, reader = dial()
	for range 2 {
		ask(conn)
		w, err := http.ReadResponse(reader, nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusTooManyRequests, w.StatusCode)
		_, err = io.Copy(io.Discard, w.Body)
		require.NoError(t, err)
	}
}
