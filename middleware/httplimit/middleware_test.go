package httplimit_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

func TestAllowedThenDenied(t *testing.T) {
	h := wrap(t, perMinute(t, startRedis(t), "a", 2), httplimit.Peer, ok)
	for range 2 {
		w := do(h)
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, "ok", w.Body.String())
		require.Empty(t, w.Header().Get("Retry-After"))
		require.Empty(t, w.Header().Get("Cache-Control"))
	}
	w := do(h)
	require.Equal(t, http.StatusTooManyRequests, w.Code)
	require.Equal(t, "30", w.Header().Get("Retry-After"))
	require.Equal(t, `"default";r=0;t=30`, w.Header().Get("RateLimit"))
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
	var problem map[string]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &problem))
	require.Equal(t, map[string]any{
		"type":              "https://iana.org/assignments/http-problem-types#quota-exceeded",
		"title":             "Request cannot be satisfied as assigned quota has been exceeded",
		"status":            429.0,
		"violated-policies": []any{"default"},
	}, problem)

	other := do(h, func(r *http.Request) { r.RemoteAddr = "192.0.2.77:1" })
	require.Equal(t, http.StatusOK, other.Code)
}

// Each outcome except Allowed is answered with its status, and the handler is not called.
func TestRefusals(t *testing.T) {
	closed := ratelimit.WithFailureMode(ratelimit.FailClosed)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	now := &says{now: time.Unix(1_800_000_000, 0)}
	minus := func(*http.Request) int64 { return -1 }
	nobody := func(*http.Request) string { return "" }
	tests := []struct {
		name       string
		limit      httplimit.Limit
		ctx        context.Context
		outcome    httplimit.Outcome
		status     int
		retryAfter string
		text       string
	}{
		{"Denied", httplimit.Limit{Limiter: perMinute(t, &says{now: now.now, retry: time.Millisecond}, "a", 5)}, nil,
			httplimit.Denied, 429, "1", "too many requests\n"},
		{"Never", httplimit.Limit{Limiter: perMinute(t, startRedis(t), "a", 5), Cost: func(*http.Request) int64 { return 6 }}, nil,
			httplimit.Denied, 429, "", "too many requests\n"},
		{"NeverWhileAway", httplimit.Limit{Limiter: perMinute(t, away, "a", 5), Cost: func(*http.Request) int64 { return 6 }}, nil,
			httplimit.Denied, 429, "", "too many requests\n"},
		{"Away", httplimit.Limit{Limiter: perMinute(t, away, "a", 5, closed)}, nil,
			httplimit.Unavailable, 503, "1", "try again later\n"},
		{"Nobody", httplimit.Limit{Limiter: perMinute(t, now, "a", 5), Identity: nobody}, nil,
			httplimit.Invalid, 400, "", "request does not identify its client\n"},
		{"UnknownCost", httplimit.Limit{Limiter: perMinute(t, now, "a", 5), Cost: minus}, nil,
			httplimit.Invalid, 400, "", "request does not tell what it costs\n"},
		{"Canceled", httplimit.Limit{Limiter: perMinute(t, now, "a", 5)}, ended,
			httplimit.Canceled, 503, "", ""},
		{"CanceledWhileAway", httplimit.Limit{Limiter: perMinute(t, away, "a", 5)}, ended,
			httplimit.Canceled, 503, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.limit.Name = "default"
			if test.limit.Identity == nil {
				test.limit.Identity = alice
			}
			change := func(r *http.Request) {
				if test.ctx != nil {
					*r = *r.WithContext(test.ctx)
				}
			}
			h := wrapAll(t, []httplimit.Limit{test.limit}, never(t))
			w := do(h, change, with("Accept", "text/plain"))
			require.Equal(t, test.status, w.Code)
			require.Equal(t, test.status, test.outcome.Status())
			require.Equal(t, test.retryAfter, w.Header().Get("Retry-After"))
			require.Equal(t, test.text, w.Body.String())

			w = do(h, change)
			require.Equal(t, test.status, w.Code)
			if test.outcome == httplimit.Canceled {
				require.Empty(t, w.Header())
				return
			}
			var problem struct {
				Type   string
				Title  string
				Status int
			}
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &problem))
			require.Equal(t, test.status, problem.Status)
			require.NotEmpty(t, problem.Type)
			require.NotEmpty(t, problem.Title)

			var got httplimit.Decision
			h = wrapAll(t, []httplimit.Limit{test.limit}, never(t), httplimit.WithHandler(test.outcome,
				func(w http.ResponseWriter, _ *http.Request, d httplimit.Decision) {
					got = d
					require.Equal(t, test.retryAfter, w.Header().Get("Retry-After"), "fields are set before")
					w.WriteHeader(http.StatusTeapot)
				}))
			require.Equal(t, http.StatusTeapot, do(h, change).Code)
			require.Equal(t, test.outcome, got.Outcome)
			require.Equal(t, test.outcome == httplimit.Invalid, got.Err != nil)
		})
	}
}

func TestInvalidTellsWhy(t *testing.T) {
	limiter := perMinute(t, startRedis(t), "a", 1)
	guard, err := httplimit.NewGuard([]httplimit.Policy{{Name: "a", Limiter: limiter}})
	require.NoError(t, err)
	require.ErrorIs(t, guard.Decide(t.Context(), ratelimit.Part{N: 1}).Err, ratelimit.ErrIdentity)
	require.ErrorIs(t, guard.Decide(t.Context(), ratelimit.Part{Identity: "x", N: -1}).Err, ratelimit.ErrN)
	failed := guard.Decide(t.Context())
	require.Equal(t, httplimit.Failed, failed.Outcome)
	require.ErrorIs(t, failed.Err, ratelimit.ErrParts)
	require.Equal(t, http.StatusInternalServerError, guard.Reply(failed, "text/plain").Status)
	require.Contains(t, guard.Reply(failed, "").Body, `"status":500`)
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	d := guard.Decide(ctx, ratelimit.Part{Identity: "x", N: 1})
	require.Equal(t, httplimit.Canceled, d.Outcome)
	require.ErrorIs(t, d.Err, context.DeadlineExceeded)
}

// FailOpen lets requests through, without the fields whose numbers nobody knows.
func TestFailOpen(t *testing.T) {
	w := do(wrap(t, perMinute(t, away, "a", 1), alice, ok))
	require.Equal(t, http.StatusOK, w.Code)
	require.Empty(t, w.Header().Get("RateLimit"))
	require.Empty(t, w.Header().Get("RateLimit-Policy"))
}

func TestCost(t *testing.T) {
	limits := []httplimit.Limit{{
		Name:     "bytes",
		Limiter:  perMinute(t, startRedis(t), "a", 10),
		Identity: func(r *http.Request) string { return r.Header.Get("Who") },
		Cost:     func(r *http.Request) int64 { return r.ContentLength },
	}}
	h := wrapAll(t, limits, ok)
	send := func(n int64) *httptest.ResponseRecorder {
		return do(h, with("Who", "alice"), func(r *http.Request) { r.ContentLength = n })
	}
	require.Equal(t, `"bytes";r=4;t=36`, send(6).Header().Get("RateLimit"))
	require.Equal(t, http.StatusBadRequest, send(-1).Code)
	require.Equal(t, http.StatusTooManyRequests, send(5).Code)
	require.Equal(t, `"bytes";r=0;t=60`, send(4).Header().Get("RateLimit"))

	free := do(h) // it costs nothing, so it needs no identity
	require.Equal(t, http.StatusOK, free.Code)
	require.Empty(t, free.Header().Get("RateLimit"))
}

func TestSkip(t *testing.T) {
	h := wrap(t, perMinute(t, away, "a", 1, ratelimit.WithFailureMode(ratelimit.FailClosed)), alice, ok,
		httplimit.WithSkip(func(r *http.Request) bool { return r.URL.Path == "/healthz" }),
		httplimit.WithSkip(func(r *http.Request) bool { return r.Method == http.MethodOptions }))
	w := do(h, func(r *http.Request) { r.URL.Path = "/healthz" })
	require.Equal(t, http.StatusOK, w.Code)
	require.Empty(t, w.Header().Get("RateLimit"))
	require.Equal(t, http.StatusOK, do(h, func(r *http.Request) { r.Method = http.MethodOptions }).Code)
	require.Equal(t, http.StatusServiceUnavailable, do(h).Code)
}

func TestContext(t *testing.T) {
	var got httplimit.Decision
	var found bool
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		require.Equal(t, "kept", r.Context().Value(tenantKey{}))
		got, found = httplimit.FromContext(r.Context())
	})
	kept := func(r *http.Request) { *r = *r.WithContext(context.WithValue(r.Context(), tenantKey{}, "kept")) }
	limiter := perMinute(t, startRedis(t), "a", 2)
	do(wrap(t, limiter, alice, h), kept)
	require.False(t, found)
	do(wrap(t, limiter, alice, h, httplimit.WithContext()), kept)
	require.True(t, found)
	require.Equal(t, httplimit.Allowed, got.Outcome)
	require.Equal(t, "default", got.Name)
	require.Zero(t, got.Result.Remaining)
	for name, result := range got.Results() {
		require.Equal(t, got.Name, name)
		require.Equal(t, got.Result, result)
	}

	free := []httplimit.Limit{{Name: "a", Limiter: limiter, Identity: alice, Cost: func(*http.Request) int64 { return 0 }}}
	do(wrapAll(t, free, h, httplimit.WithContext()), kept)
	require.False(t, found, "no limit was asked")
}

// TestPattern checks that outer handlers, such as telemetry, see the pattern that an inner
// ServeMux matched, even under WithContext, which passes on a copy of the request.
func TestPattern(t *testing.T) {
	limiter := perMinute(t, startRedis(t), "a", 10)
	mux := http.NewServeMux()
	mux.Handle("GET /users/{id}", ok)
	for _, options := range [][]httplimit.Option{nil, {httplimit.WithContext()}} {
		r := httptest.NewRequest(http.MethodGet, "/users/42", nil)
		wrap(t, limiter, alice, mux, options...).ServeHTTP(httptest.NewRecorder(), r)
		require.Equal(t, "GET /users/{id}", r.Pattern)
	}
}

func TestBadArguments(t *testing.T) {
	limiter := perMinute(t, startRedis(t), "a", 1)
	all := func(limits ...httplimit.Limit) func(...httplimit.Option) error {
		return func(options ...httplimit.Option) error {
			_, err := httplimit.NewAll(limits, options...)
			return err
		}
	}
	one := all(httplimit.Limit{Name: "a", Limiter: limiter, Identity: alice})
	handler := func(http.ResponseWriter, *http.Request, httplimit.Decision) {}
	for want, err := range map[string]error{
		"httplimit: there is no limit":                          all()(),
		"httplimit: limit 0: name is empty":                     all(httplimit.Limit{Limiter: limiter, Identity: alice})(),
		`httplimit: limit 0: name is "é": must be prin`:         all(httplimit.Limit{Name: "é", Limiter: limiter, Identity: alice})(),
		`httplimit: limit "a": limiter is nil, or was not made`: all(httplimit.Limit{Name: "a", Identity: alice})(),
		`httplimit: limit "a": identity is nil`:                 all(httplimit.Limit{Name: "a", Limiter: limiter})(),
		`httplimit: limit 1: name is "a", as that of another`: all(httplimit.Limit{Name: "a", Limiter: limiter, Identity: alice},
			httplimit.Limit{Name: "a", Limiter: limiter, Identity: alice})(),
		"httplimit: headers is 9: must be":                      one(httplimit.WithHeaders(9)),
		"httplimit: headers is -1: must be":                     one(httplimit.WithHeaders(-1)),
		"httplimit: skip is nil":                                one(httplimit.WithSkip(nil)),
		"httplimit: handler for denied is nil":                  one(httplimit.WithHandler(httplimit.Denied, nil)),
		"httplimit: handler is for outcome 1 (allowed): must":   one(httplimit.WithHandler(httplimit.Allowed, handler)),
		"httplimit: handler is for outcome 4 (canceled): must":  one(httplimit.WithHandler(httplimit.Canceled, handler)),
		"httplimit: handler is for outcome 77 (unknown): must":  one(httplimit.WithHandler(77, handler)),
		"httplimit: handler is for outcome -1 (unknown): must ": one(httplimit.WithHandler(-1, handler)),
	} {
		require.ErrorContains(t, err, want)
	}
	require.NoError(t, one(nil, httplimit.WithHeaders(httplimit.HeadersNone)))
	_, err := httplimit.New(limiter, nil)
	require.ErrorContains(t, err, `httplimit: limit "default": identity is nil`)
	_, err = httplimit.New(nil, alice)
	require.ErrorContains(t, err, `httplimit: limit "default": limiter is nil, or was not made`)
	_, err = httplimit.New(&ratelimit.Limiter{}, alice)
	require.ErrorContains(t, err, `limiter is nil, or was not made by ratelimit.New`)
	two := []httplimit.Policy{{Name: "a", Limiter: limiter}, {Name: "b", Limiter: limiter}}
	_, err = httplimit.NewGuard(two)
	require.ErrorContains(t, err, "httplimit: ratelimit: limiters 0 and 1 to join")
	_, err = httplimit.New(limiter, httplimit.First())
	require.Error(t, err)
	_, err = httplimit.New(limiter, httplimit.All(alice, nil))
	require.Error(t, err)
	_, err = httplimit.NewGuard(nil, httplimit.WithHeaders(9))
	require.ErrorContains(t, err, "headers is 9")
	require.Equal(t, http.StatusInternalServerError, httplimit.Outcome(77).Status())
}

// A handler's panic passes through the middleware unchanged.
func TestPanicPassesThrough(t *testing.T) {
	h := wrap(t, perMinute(t, startRedis(t), "a", 1), alice, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		panic(http.ErrAbortHandler)
	}))
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { do(h) })
}

// A refusal drops or replaces header fields that outer handlers set for the response that
// it replaces.
func TestRefusalIsItsOwnResponse(t *testing.T) {
	limited := wrap(t, perMinute(t, away, "a", 1, ratelimit.WithFailureMode(ratelimit.FailClosed)), alice, never(t))
	w := do(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "5")
		w.Header().Set("Etag", `"x"`)
		w.Header().Set("Last-Modified", "Fri, 31 Dec 1999 23:59:59 GMT")
		w.Header().Set("Cache-Control", "public, max-age=60")
		limited.ServeHTTP(w, r)
	}))
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	require.Empty(t, w.Header().Get("Content-Length"))
	require.Empty(t, w.Header().Get("Etag"))
	require.Empty(t, w.Header().Get("Last-Modified"))
	require.Contains(t, w.Body.String(), "#temporary-reduced-capacity")
}

// TestCompressedRefusal checks that an outer handler can compress everything that is
// written, refusals included.
func TestCompressedRefusal(t *testing.T) {
	limited := wrap(t, perMinute(t, away, "a", 1, ratelimit.WithFailureMode(ratelimit.FailClosed)), alice, never(t))
	w := do(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		defer z.Close()
		limited.ServeHTTP(compressed{w, z}, r)
	}))
	require.Equal(t, "gzip", w.Header().Get("Content-Encoding"))
	z, err := gzip.NewReader(w.Body)
	require.NoError(t, err)
	body, err := io.ReadAll(z)
	require.NoError(t, err)
	require.Contains(t, string(body), "#temporary-reduced-capacity")
}

type compressed struct {
	http.ResponseWriter
	io.Writer
}

func (c compressed) Write(b []byte) (int, error) { return c.Writer.Write(b) }

func TestNeverIsNotAdvised(t *testing.T) {
	guard, err := httplimit.NewGuard([]httplimit.Policy{{Name: "a", Limiter: perMinute(t, startRedis(t), "a", 5)}})
	require.NoError(t, err)
	d := guard.Decide(t.Context(), ratelimit.Part{Identity: "x", N: 6})
	require.Equal(t, algorithm.Never, d.RetryAfter)
	require.Equal(t, []string{"a"}, d.Violated)
}
