package httplimit_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// upstream is a server that counts the requests it gets, with a client of its own.
type upstream struct {
	*httptest.Server
	requests atomic.Int64
}

func startUpstream(t testing.TB, handler http.HandlerFunc) *upstream {
	u := &upstream{}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.requests.Add(1)
		handler(w, r)
	}))
	t.Cleanup(u.Close)
	return u
}

// transportLimiter lets two requests through at once, and one more each second.
func transportLimiter(t testing.TB, s store.Store, options ...ratelimit.Option) *ratelimit.Limiter {
	t.Helper()
	options = append([]ratelimit.Option{ratelimit.WithTimeout(10 * time.Second)}, options...)
	return newLimiter(t, s, tokenbucket.Limit{Rate: 1, Period: time.Second, Burst: 2}, options...)
}

func newTransport(t testing.TB, base http.RoundTripper, limiter *ratelimit.Limiter, options ...httplimit.TransportOption) http.RoundTripper {
	t.Helper()
	transport, err := httplimit.NewTransport(base, limiter, httplimit.Host, options...)
	require.NoError(t, err)
	return transport
}

func helloServer(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	io.WriteString(w, r.Method+" "+r.Header.Get("X-Test")+" "+string(body))
}

// transportBody is a request body that counts reads and closes.
type transportBody struct {
	io.Reader
	read, closed atomic.Int64
}

func (b *transportBody) Read(p []byte) (int, error) { b.read.Add(1); return b.Reader.Read(p) }
func (b *transportBody) Close() error               { b.closed.Add(1); return nil }

// TestTransport checks that an allowed request is sent unchanged, and that a denied one is
// not sent but has its body closed.
func TestTransport(t *testing.T) {
	server := startUpstream(t, helloServer)
	redis := startRedis(t)
	client := &http.Client{Transport: newTransport(t, server.Client().Transport, transportLimiter(t, redis))}
	post := func() (string, *transportBody, error) {
		body := &transportBody{Reader: strings.NewReader("body")}
		r, err := http.NewRequestWithContext(t.Context(), "POST", server.URL, body)
		require.NoError(t, err)
		r.Header.Set("X-Test", "header")
		before := r.Clone(t.Context())
		response, err := client.Do(r)
		require.Equal(t, before.Header, r.Header)
		require.Equal(t, before.URL, r.URL)
		if err != nil {
			require.Nil(t, response)
			return "", body, err
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return string(text), body, nil
	}
	for range 2 {
		text, body, err := post()
		require.NoError(t, err)
		require.Equal(t, "POST header body", text)
		require.NotZero(t, body.closed.Load())
	}
	_, body, err := post()
	var denied *httplimit.DeniedError
	require.ErrorAs(t, err, &denied)
	require.ErrorIs(t, err, httplimit.ErrDenied)
	require.NotErrorIs(t, err, httplimit.ErrUnavailable)
	require.EqualValues(t, 1, denied.N)
	require.Equal(t, time.Second, denied.Result.RetryAfter)
	require.EqualError(t, denied, "httplimit: request is denied by its rate limit: retry after 1s")
	require.Zero(t, body.read.Load())
	require.EqualValues(t, 1, body.closed.Load())
	require.EqualValues(t, 2, server.requests.Load())

	redis.Advance(time.Second)
	_, _, err = post()
	require.NoError(t, err)
	require.EqualValues(t, 3, server.requests.Load())
	client.CloseIdleConnections()
}

// TestTransportRefusals checks that each reason not to send a request has its error.
func TestTransportRefusals(t *testing.T) {
	server := startUpstream(t, helloServer)
	loading := &says{err: &store.ServerError{Message: "LOADING loading"}}
	closed := ratelimit.WithFailureMode(ratelimit.FailClosed)
	cost := func(n int64) httplimit.TransportOption {
		return httplimit.WithTransportCost(func(*http.Request) int64 { return n })
	}
	nobody := func(*http.Request) string { return "" }
	wait := httplimit.WithWait(time.Hour) // no case here waits
	ended, end := context.WithCancel(t.Context())
	end()
	late, end := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer end()
	for _, test := range []struct {
		name     string
		limiter  *ratelimit.Limiter
		identity httplimit.Identity
		options  []httplimit.TransportOption
		ctx      context.Context // nil: the test's
		is       error           // nil: it is sent
		text     string
	}{
		{name: "FailOpen", limiter: transportLimiter(t, loading)},
		{name: "FailClosed", limiter: transportLimiter(t, loading, closed), is: httplimit.ErrUnavailable, text: "httplimit: request is denied, as Redis does not decide"},
		{name: "FailClosedNever", limiter: transportLimiter(t, loading, closed), options: []httplimit.TransportOption{cost(3)}, is: httplimit.ErrDenied, text: "httplimit: request is denied by its rate limit: it costs 3, the limit is 2"},
		{name: "Never", options: []httplimit.TransportOption{cost(3)}, is: httplimit.ErrDenied, text: "httplimit: request is denied by its rate limit: it costs 3, the limit is 2"},
		{name: "All", options: []httplimit.TransportOption{cost(2)}},
		{name: "Negative", options: []httplimit.TransportOption{cost(-1)}, is: ratelimit.ErrN, text: "httplimit: ratelimit: n is negative: it is -1"},
		{name: "Free", options: []httplimit.TransportOption{cost(0)}, identity: nobody},
		{name: "NoIdentity", identity: nobody, is: ratelimit.ErrIdentity, text: "httplimit: ratelimit: identity is empty"},
		{name: "Late", ctx: late, is: context.DeadlineExceeded, text: "httplimit: ratelimit: decision was given up: context deadline exceeded"},
		{name: "Ended", ctx: ended, is: context.Canceled, text: "httplimit: ratelimit: decision was given up: context canceled"},
		{name: "NilOption", options: []httplimit.TransportOption{nil}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.limiter == nil {
				test.limiter = transportLimiter(t, startRedis(t))
			}
			if test.identity == nil {
				test.identity = httplimit.Host
			}
			transport, err := httplimit.NewTransport(server.Client().Transport, test.limiter, test.identity, append(test.options, wait)...)
			require.NoError(t, err)
			if test.ctx == nil {
				test.ctx = t.Context()
			}
			before := server.requests.Load()
			body := &transportBody{Reader: strings.NewReader("body")}
			r, err := http.NewRequestWithContext(test.ctx, "POST", server.URL, body)
			require.NoError(t, err)
			response, err := transport.RoundTrip(r)
			if test.is == nil {
				require.NoError(t, err)
				require.NoError(t, response.Body.Close())
				require.Equal(t, before+1, server.requests.Load())
				return
			}
			require.ErrorIs(t, err, test.is)
			require.EqualError(t, err, test.text)
			require.Equal(t, test.is == context.DeadlineExceeded, (&url.Error{Err: err}).Timeout())
			require.Nil(t, response)
			require.EqualValues(t, 1, body.closed.Load())
			require.Equal(t, before, server.requests.Load())
		})
	}
}

// Each hop of a redirect counts as a request to the host that it goes to.
func TestTransportRedirect(t *testing.T) {
	target := startUpstream(t, helloServer)
	first := startUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target.URL, http.StatusFound)
	})
	limiter := transportLimiter(t, startRedis(t))
	client := &http.Client{Transport: newTransport(t, nil, limiter)}
	defer client.CloseIdleConnections()
	get := func(link string) error {
		response, err := client.Get(link)
		if err == nil {
			response.Body.Close()
		}
		return err
	}
	require.NoError(t, get(target.URL))
	require.NoError(t, get(first.URL))
	var failed *url.Error
	require.ErrorAs(t, get(first.URL), &failed)
	require.ErrorIs(t, failed, httplimit.ErrDenied)
	require.Equal(t, target.URL, failed.URL)
	require.EqualValues(t, 2, first.requests.Load())
	require.EqualValues(t, 2, target.requests.Load())
}

// A 429 from the server is returned to the caller as it is. A request that base repeats by
// itself, because its connection was closed, is charged once.
func TestTransportAsksOnce(t *testing.T) {
	server := startUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	limiter := transportLimiter(t, startRedis(t))
	base := server.Client().Transport.(*http.Transport)
	client := &http.Client{Transport: newTransport(t, base, limiter)}
	for range 2 {
		response, err := client.Get(server.URL)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusTooManyRequests, response.StatusCode)
		require.Equal(t, "7", response.Header.Get("Retry-After"))
		server.CloseClientConnections() // the next request meets a connection that is closed
	}
	stands, err := limiter.Peek(t.Context(), "host:"+strings.TrimPrefix(server.URL, "http://"))
	require.NoError(t, err)
	require.Zero(t, stands.Remaining)
}

// transportCloses is a base that counts the calls of CloseIdleConnections.
type transportCloses struct {
	http.RoundTripper
	closed int
}

func (c *transportCloses) CloseIdleConnections() { c.closed++ }

func TestTransportClosesIdleConnections(t *testing.T) {
	base := &transportCloses{}
	limiter := transportLimiter(t, away)
	(&http.Client{Transport: newTransport(t, base, limiter)}).CloseIdleConnections()
	require.Equal(t, 1, base.closed)
	(&http.Client{Transport: newTransport(t, transportFunc(sendsNothing), limiter)}).CloseIdleConnections()
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func sendsNothing(*http.Request) (*http.Response, error) { return nil, errors.New("not there") }

func TestNewTransportRefuses(t *testing.T) {
	limiter := transportLimiter(t, away)
	for _, test := range []struct {
		name     string
		base     http.RoundTripper
		limiter  *ratelimit.Limiter
		identity httplimit.Identity
		option   httplimit.TransportOption
		err      string
	}{
		{name: "NilTransport", base: (*http.Transport)(nil), limiter: limiter, identity: httplimit.Host, err: "httplimit: base is a nil *http.Transport"},
		{name: "NilFunc", base: transportFunc(nil), limiter: limiter, identity: httplimit.Host, err: "httplimit: base is a nil httplimit_test.transportFunc"},
		{name: "NoLimiter", identity: httplimit.Host, err: "httplimit: limiter is nil, or was not made by ratelimit.New"},
		{name: "LimiterNotMade", limiter: &ratelimit.Limiter{}, identity: httplimit.Host, err: "httplimit: limiter is nil, or was not made by ratelimit.New"},
		{name: "NoIdentity", limiter: limiter, err: "httplimit: identity is nil"},
		{name: "NoWait", limiter: limiter, identity: httplimit.Host, option: httplimit.WithWait(0), err: "httplimit: wait is 0s: must be above 0"},
		{name: "NegativeWait", limiter: limiter, identity: httplimit.Host, option: httplimit.WithWait(-time.Second), err: "httplimit: wait is -1s: must be above 0"},
		{name: "NoCost", limiter: limiter, identity: httplimit.Host, option: httplimit.WithTransportCost(nil), err: "httplimit: transport cost is nil"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := httplimit.NewTransport(test.base, test.limiter, test.identity, test.option)
			require.EqualError(t, err, test.err)
		})
	}
}

func TestDeniedErrorOfNever(t *testing.T) {
	err := &httplimit.DeniedError{N: 5, Result: ratelimit.Result{Limit: 3, RetryAfter: algorithm.Never}}
	require.EqualError(t, err, "httplimit: request is denied by its rate limit: it costs 5, the limit is 3")
}

// BenchmarkTransport measures what a transport adds to its limiter's decision. Nothing is
// sent.
func BenchmarkTransport(b *testing.B) {
	limiter := transportLimiter(b, &says{now: time.Unix(1, 0), remaining: 1})
	r := httptest.NewRequest("GET", "https://api.example.com/v1/things?id=1", nil)
	response := &http.Response{}
	base := transportFunc(func(*http.Request) (*http.Response, error) { return response, nil })
	key := func(*http.Request) string { return "key:1234" }
	byKey, err := httplimit.NewTransport(base, limiter, key, httplimit.WithWait(time.Second))
	require.NoError(b, err)
	byHost, err := httplimit.NewTransport(base, limiter, httplimit.Host)
	require.NoError(b, err)
	for _, bench := range []struct {
		name string
		call func() error
	}{
		{"Decision", func() error { _, err := limiter.Allow(r.Context(), "key:1234"); return err }},
		{"Transport", func() error { _, err := byKey.RoundTrip(r); return err }},
		{"TransportByHost", func() error { _, err := byHost.RoundTrip(r); return err }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := bench.call(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
