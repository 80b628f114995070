package fiberlimit_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/middleware/fiberlimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

// TestSameResponses checks that the response to any outcome has the same status, header
// fields and body as under httplimit, for every set of fields, method and Accept, alone
// and behind an outer limit.
func TestSameResponses(t *testing.T) {
	now := time.Unix(1_800_000_000, 250_000_000)
	closed := ratelimit.WithFailureMode(ratelimit.FailClosed)
	who, cost := "Who", "Content-Cost"
	for _, test := range []struct {
		name    string
		store   says
		options []ratelimit.Option
		fields  []string
		status  int
	}{
		{"Allowed", says{now: now, remaining: 5, reset: 57 * time.Second}, nil, nil, 200},
		{"Denied", says{now: now, retry: 1500 * time.Millisecond, remaining: 20, reset: 48 * time.Second}, nil, nil, 429},
		{"Never", says{now: now, retry: algorithm.Never, remaining: 100}, nil, nil, 429},
		{"Open", away, nil, nil, 200},
		{"Closed", away, []ratelimit.Option{closed}, nil, 503},
		{"Nobody", says{now: now}, nil, []string{who, ""}, 400},
		{"UnknownCost", says{now: now}, nil, []string{cost, "-1"}, 400},
		{"Free", says{now: now}, nil, []string{cost, "0", who, ""}, 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			for headers := httplimit.HeadersIETF; headers <= httplimit.HeadersNone; headers++ {
				for _, nested := range []bool{false, true} {
					limiter := perMinute(t, test.store, "inner", 100, test.options...)
					outer := perMinute(t, says{now: now, remaining: 7, reset: 9 * time.Second}, "outer", 100)
					theirs, ours := theirs(t, headers, nested, outer, limiter), ours(t, headers, nested, outer, limiter)
					for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
						for _, accept := range []string{"", "*/*", "text/plain", "text/html, application/json;q=0.5"} {
							fields := append([]string{who, "alice", cost, "1"}, "Accept", accept)
							for i := 0; i < len(test.fields); i += 2 {
								at := 1
								if test.fields[i] == cost {
									at = 3
								}
								fields[at] = test.fields[i+1]
							}
							want, wantBody := send(t, theirs, request(method, "/", fields...))
							got, gotBody := send(t, ours, request(method, "/", fields...))
							require.Equal(t, test.status, got.StatusCode)
							require.Equal(t, want.StatusCode, got.StatusCode)
							require.Equal(t, wantBody, gotBody)
							for _, h := range []http.Header{want.Header, got.Header} {
								require.NotEmpty(t, h.Get("Date"))
								h.Del("Date")
								slices.Sort(h["Ratelimit"]) // fasthttp reorders the lines when it deletes one
							}
							require.Equal(t, want.Header, got.Header, "%s %d %v %s", method, headers, nested, accept)
						}
					}
				}
			}
		})
	}
}

// before has the fields that outer handlers have set on the response.
var before = map[string]string{"Etag": `"x"`, "Cache-Control": "public", "Retry-After": "1"}

func theirs(t *testing.T, headers httplimit.Headers, nested bool, outer, inner *ratelimit.Limiter) string {
	limits := func(name string, limiter *ratelimit.Limiter) []httplimit.Limit {
		return []httplimit.Limit{{
			Name: name, Limiter: limiter,
			Identity: func(r *http.Request) string { return r.Header.Get("Who") },
			Cost:     func(r *http.Request) int64 { return costOf(r.Header.Get("Content-Cost")) },
		}}
	}
	around, err := httplimit.NewAll(limits("outer", outer), httplimit.WithHeaders(headers))
	require.NoError(t, err)
	wrap, err := httplimit.NewAll(limits("inner", inner), httplimit.WithHeaders(headers))
	require.NoError(t, err)
	limited := wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/x")
		fmt.Fprint(w, "ok")
	}))
	if nested {
		limited = around(limited)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range before {
			w.Header().Set(name, value)
		}
		w.Header().Add("RateLimit", `"cdn";r=1`)
		w.Header().Add("RateLimit", `"inner";r=2, "edge";r=3`)
		limited.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func ours(t *testing.T, headers httplimit.Headers, nested bool, outer, inner *ratelimit.Limiter) string {
	limits := func(name string, limiter *ratelimit.Limiter) []fiberlimit.Limit {
		return []fiberlimit.Limit{{
			Name: name, Limiter: limiter,
			Identity: func(c fiber.Ctx) string { return c.Get("Who") },
			Cost:     func(c fiber.Ctx) int64 { return costOf(c.Get("Content-Cost")) },
		}}
	}
	app := chain(func(c fiber.Ctx) error {
		for name, value := range before {
			c.Set(name, value)
		}
		c.Response().Header.Add("RateLimit", `"cdn";r=1`)
		c.Response().Header.Add("RateLimit", `"inner";r=2, "edge";r=3`)
		return c.Next()
	})
	if nested {
		app.Use(limitAll(t, limits("outer", outer), fiberlimit.WithHeaders(headers)))
	}
	app.Use(limitAll(t, limits("inner", inner), fiberlimit.WithHeaders(headers)), func(c fiber.Ctx) error {
		c.Set("Content-Type", "text/x")
		return c.SendString("ok")
	})
	return serve(t, app)
}

func costOf(text string) int64 {
	return map[string]int64{"-1": -1, "0": 0, "1": 1}[strings.TrimSpace(text)]
}

// TestSharedLimit checks that a service on net/http and one on Fiber share a limit: what a
// client takes from one is missing at the other.
func TestSharedLimit(t *testing.T) {
	redis := startRedis(t)
	limiter := func() *ratelimit.Limiter { return perMinute(t, redis, "shared", 3) }
	wrap, err := httplimit.New(limiter(), httplimit.First(must(httplimit.Header("X-API-Key")), httplimit.Peer))
	require.NoError(t, err)
	server := httptest.NewServer(wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	t.Cleanup(server.Close)
	identity := fiberlimit.First(must(fiberlimit.Header("X-API-Key")), fiberlimit.Peer)
	addr := serve(t, chain(limit(t, limiter(), identity), ok))
	for _, fields := range [][]string{{"X-API-Key", "k"}, nil} {
		for i, at := range []string{addr, server.Listener.Addr().String(), addr, server.Listener.Addr().String(), addr} {
			w, _ := send(t, at, request(http.MethodGet, "/", fields...))
			require.Equal(t, i < 3, w.StatusCode == http.StatusOK)
		}
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
