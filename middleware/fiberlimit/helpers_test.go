package fiberlimit_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/middleware/fiberlimit"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
)

func TestMain(m *testing.M) {
	// A fasthttp server that is shut down leaves a goroutine that sleeps for another 10 s,
	// and the first server starts a clock for all servers, which never ends.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

// says is a store that decides every request as its fields say, or fails with err.
type says struct {
	now          time.Time
	retry, reset time.Duration
	remaining    int64
	err          error
}

func (s says) Run(context.Context, *store.Script, []string, []int64) ([]int64, error) {
	if s.err != nil {
		return nil, s.err
	}
	retry := s.retry.Microseconds()
	if s.retry == algorithm.Never {
		retry = algorithm.NeverRetry
	}
	return []int64{s.now.UnixMicro(), retry, s.remaining, s.reset.Microseconds()}, nil
}

func (says) Prompt() bool { return true }

var away = says{err: errors.New("connection refused")}

// startRedis returns a Redis whose clock stands still.
func startRedis(t testing.TB) *embedded.Redis {
	t.Helper()
	redis, err := embedded.Start()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, redis.Close()) })
	redis.SetTime(time.Date(2026, 5, 1, 12, 0, 0, 250_000_000, time.UTC))
	return redis
}

// perMinute returns a limiter of n units a minute on s, in the namespace name.
func perMinute(t testing.TB, s store.Store, name string, n int64, options ...ratelimit.Option) *ratelimit.Limiter {
	t.Helper()
	options = append(options, ratelimit.WithNamespace(name), ratelimit.WithTimeout(10*time.Second)) // the machine may be busy
	limiter, err := ratelimit.New(s, tokenbucket.Limit{Rate: n, Period: time.Minute}, options...)
	require.NoError(t, err)
	return limiter
}

func limit(t testing.TB, limiter *ratelimit.Limiter, identity fiberlimit.Identity, options ...fiberlimit.Option) fiber.Handler {
	t.Helper()
	h, err := fiberlimit.New(limiter, identity, options...)
	require.NoError(t, err)
	return h
}

func limitAll(t testing.TB, limits []fiberlimit.Limit, options ...fiberlimit.Option) fiber.Handler {
	t.Helper()
	h, err := fiberlimit.NewAll(limits, options...)
	require.NoError(t, err)
	return h
}

func alice(fiber.Ctx) string { return "alice" }

// ok answers 200.
func ok(c fiber.Ctx) error { return c.SendString("ok") }

// never fails the test if it is called.
func never(t testing.TB) fiber.Handler {
	return func(fiber.Ctx) error {
		t.Error("the handler was called")
		return nil
	}
}

// chain returns an app that runs these handlers in turn.
func chain(handlers ...fiber.Handler) *fiber.App {
	app := fiber.New()
	for _, h := range handlers {
		app.Use(h)
	}
	return app
}

// serve serves an app on a socket until the test ends, and returns its address.
func serve(t testing.TB, app *fiber.App) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	serveAt(t, app, listener)
	return listener.Addr().String()
}

func serveAt(t testing.TB, app *fiber.App, listener net.Listener) {
	t.Helper()
	ready, served := make(chan struct{}), make(chan error, 1)
	go func() {
		served <- app.Listener(listener, fiber.ListenConfig{
			DisableStartupMessage: true,
			BeforeServeFunc:       func(*fiber.App) error { close(ready); return nil },
		})
	}()
	<-ready
	t.Cleanup(func() {
		require.NoError(t, app.Shutdown())
		_ = listener.Close() // a server that has barely begun misses the shutdown
		require.NoError(t, <-served)
	})
}

// request returns a request with these header fields, as alternating names and values.
func request(method, path string, fields ...string) *http.Request {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	return r
}

// send sends a request on a connection of its own and returns the response with its
// body.
func send(t testing.TB, addr string, r *http.Request) (*http.Response, string) {
	t.Helper()
	r.Close = true
	w := exchange(t, addr, func(w io.Writer) error { return r.Write(w) }, r)
	body, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	return w, string(body)
}

// exchange writes a request on a connection of its own and returns the response. The test
// must read the body before it ends, when the connection is closed.
func exchange(t testing.TB, addr string, write func(io.Writer) error, r *http.Request) *http.Response {
	t.Helper()
	connection, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { connection.Close() })
	require.NoError(t, connection.SetDeadline(time.Now().Add(10*time.Second)))
	require.NoError(t, write(connection))
	w, err := http.ReadResponse(bufio.NewReader(connection), r)
	require.NoError(t, err)
	return w
}
