package fiberlimit_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/fiberlimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

func TestAllowedThenDenied(t *testing.T) {
	redis := startRedis(t)
	addr := serve(t, chain(limit(t, perMinute(t, redis, "a", 2), fiberlimit.Peer), ok))
	for range 2 {
		w, body := send(t, addr, request(http.MethodGet, "/"))
		require.Equal(t, http.StatusOK, w.StatusCode)
		require.Equal(t, "ok", body)
		require.Equal(t, `"default";q=2;w=60`, w.Header.Get("RateLimit-Policy"))
	}
	for range 2 {
		w, body := send(t, addr, request(http.MethodGet, "/"))
		require.Equal(t, http.StatusTooManyRequests, w.StatusCode)
		require.Equal(t, "30", w.Header.Get("Retry-After"))
		require.Equal(t, `"default";r=0;t=30`, w.Header.Get("RateLimit"))
		require.Equal(t, "application/problem+json", w.Header.Get("Content-Type"))
		require.Contains(t, body, `#quota-exceeded`)
	}
	redis.Advance(30 * time.Second)
	w, _ := send(t, addr, request(http.MethodGet, "/"))
	require.Equal(t, http.StatusOK, w.StatusCode)
}

// Each outcome except Allowed is answered with its status, and the next handler is not
// called. A handler of WithHandler can answer instead, or return an error for the app's
// ErrorHandler.
func TestRefusals(t *testing.T) {
	closed := ratelimit.WithFailureMode(ratelimit.FailClosed)
	now := says{now: time.Unix(1_800_000_000, 0)}
	nobody := func(fiber.Ctx) string { return "" }
	six := func(fiber.Ctx) int64 { return 6 }
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name       string
		limit      fiberlimit.Limit
		ctx        context.Context
		outcome    httplimit.Outcome
		retryAfter string
		err        error
	}{
		{"Denied", fiberlimit.Limit{Limiter: perMinute(t, says{now: now.now, retry: time.Millisecond}, "a", 5)}, nil, httplimit.Denied, "1", nil},
		{"Never", fiberlimit.Limit{Limiter: perMinute(t, startRedis(t), "a", 5), Cost: six}, nil, httplimit.Denied, "", nil},
		{"Away", fiberlimit.Limit{Limiter: perMinute(t, away, "a", 5, closed)}, nil, httplimit.Unavailable, "1", nil},
		{"Nobody", fiberlimit.Limit{Limiter: perMinute(t, now, "a", 5), Identity: nobody}, nil, httplimit.Invalid, "", ratelimit.ErrIdentity},
		{"UnknownCost", fiberlimit.Limit{Limiter: perMinute(t, now, "a", 5), Cost: func(fiber.Ctx) int64 { return -1 }}, nil, httplimit.Invalid, "", ratelimit.ErrN},
		{"Canceled", fiberlimit.Limit{Limiter: perMinute(t, now, "a", 5)}, ended, httplimit.Canceled, "", context.Canceled},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.limit.Name = "default"
			if test.limit.Identity == nil {
				test.limit.Identity = alice
			}
			limits := []fiberlimit.Limit{test.limit}
			first := func(c fiber.Ctx) error {
				if test.ctx != nil {
					c.SetContext(test.ctx)
				}
				return c.Next()
			}
			w, body := send(t, serve(t, chain(first, limitAll(t, limits), never(t))), request(http.MethodGet, "/"))
			require.Equal(t, test.outcome.Status(), w.StatusCode)
			require.Equal(t, test.retryAfter, w.Header.Get("Retry-After"))
			if test.outcome == httplimit.Canceled {
				require.Empty(t, body)
				return
			}
			require.NotEmpty(t, body)

			var got httplimit.Decision
			own := fiberlimit.WithHandler(test.outcome, func(c fiber.Ctx, d httplimit.Decision) error {
				got = d
				return c.Status(http.StatusTeapot).SendString("own")
			})
			w, body = send(t, serve(t, chain(first, limitAll(t, limits, own), never(t))), request(http.MethodGet, "/"))
			require.Equal(t, http.StatusTeapot, w.StatusCode)
			require.Equal(t, "own", body)
			require.Equal(t, test.retryAfter, w.Header.Get("Retry-After"))
			require.Equal(t, test.outcome, got.Outcome)
			require.ErrorIs(t, got.Err, test.err)

			passes := fiberlimit.WithHandler(test.outcome, func(_ fiber.Ctx, d httplimit.Decision) error {
				return fiber.NewError(d.Outcome.Status(), "mine")
			})
			w, body = send(t, serve(t, chain(first, limitAll(t, limits, passes), never(t))), request(http.MethodGet, "/"))
			require.Equal(t, test.outcome.Status(), w.StatusCode)
			require.Equal(t, "mine", body)
			require.Equal(t, test.retryAfter, w.Header.Get("Retry-After"))
		})
	}
}

// The error of the next handler passes through unchanged, and so does that of a missing
// route.
func TestErrorsPassThrough(t *testing.T) {
	oops := errors.New("oops")
	var got error
	app := fiber.New()
	app.Use(func(c fiber.Ctx) error {
		got = c.Next()
		return got
	}, limit(t, perMinute(t, startRedis(t), "a", 9), alice))
	app.Get("/fails", func(fiber.Ctx) error { return oops })
	app.Get("/teapot", func(fiber.Ctx) error { return fiber.ErrTeapot })
	addr := serve(t, app)
	w, body := send(t, addr, request(http.MethodGet, "/fails"))
	require.Equal(t, http.StatusInternalServerError, w.StatusCode)
	require.Equal(t, "oops", body)
	require.Same(t, oops, got)
	require.Equal(t, `"default";r=8;t=7`, w.Header.Get("RateLimit"))
	w, _ = send(t, addr, request(http.MethodGet, "/teapot"))
	require.Equal(t, http.StatusTeapot, w.StatusCode)
	w, _ = send(t, addr, request(http.MethodGet, "/missing"))
	require.Equal(t, http.StatusNotFound, w.StatusCode)
	require.Equal(t, `"default";r=6;t=20`, w.Header.Get("RateLimit"))
}

// What a handler flushes reaches the client before the response ends.
func TestStreams(t *testing.T) {
	read := make(chan struct{})
	addr := serve(t, chain(limit(t, perMinute(t, startRedis(t), "a", 5), fiberlimit.Peer), func(c fiber.Ctx) error {
		return c.SendStreamWriter(func(w *bufio.Writer) {
			for range 3 {
				fmt.Fprintln(w, "line")
				if err := w.Flush(); err != nil {
					t.Error(err)
				}
				<-read
			}
		})
	}))
	w, err := http.Get("http://" + addr)
	require.NoError(t, err)
	defer w.Body.Close()
	require.Equal(t, `"default";r=4;t=12`, w.Header.Get("RateLimit"))
	lines := bufio.NewScanner(w.Body)
	for range 3 {
		require.True(t, lines.Scan())
		read <- struct{}{}
	}
	require.False(t, lines.Scan())
	http.DefaultClient.CloseIdleConnections()
}

// A refusal replaces the whole response, even a stream that an earlier handler has begun.
func TestRefusalReplacesStream(t *testing.T) {
	limited := limit(t, perMinute(t, away, "a", 1, ratelimit.WithFailureMode(ratelimit.FailClosed)), alice)
	addr := serve(t, chain(func(c fiber.Ctx) error {
		c.Set("Content-Encoding", "gzip")
		if err := c.SendStreamWriter(func(w *bufio.Writer) { fmt.Fprint(w, "begun") }); err != nil {
			return err
		}
		return c.Next()
	}, limited, never(t)))
	w, body := send(t, addr, request(http.MethodGet, "/"))
	require.Equal(t, http.StatusServiceUnavailable, w.StatusCode)
	require.Empty(t, w.Header.Get("Content-Encoding"))
	require.Contains(t, body, "#temporary-reduced-capacity")
	require.NotContains(t, body, "begun")
}

// HEAD is answered like GET, without the body. OPTIONS is limited like any other method.
func TestMethods(t *testing.T) {
	app := fiber.New()
	app.Use(limit(t, perMinute(t, startRedis(t), "a", 3), alice))
	app.Get("/", ok)
	app.Options("/", ok)
	addr := serve(t, app)
	for i, method := range []string{http.MethodOptions, http.MethodHead, http.MethodGet} {
		w, _ := send(t, addr, request(method, "/"))
		require.Equal(t, http.StatusOK, w.StatusCode)
		require.Equal(t, fmt.Sprintf(`"default";r=%d;t=%d`, 2-i, 20*(i+1)), w.Header.Get("RateLimit"))
	}
	get, problem := send(t, addr, request(http.MethodGet, "/"))
	head, none := send(t, addr, request(http.MethodHead, "/"))
	require.Equal(t, http.StatusTooManyRequests, head.StatusCode)
	require.Equal(t, int64(len(problem)), head.ContentLength)
	require.Empty(t, none)
	get.Header.Del("Date")
	head.Header.Del("Date")
	require.Equal(t, get.Header, head.Header)
}

func TestNestedGroups(t *testing.T) {
	redis := startRedis(t)
	named := func(name string, n int64) fiber.Handler {
		return limitAll(t, []fiberlimit.Limit{{Name: name, Limiter: perMinute(t, redis, name, n), Identity: fiberlimit.Peer}})
	}
	app := fiber.New()
	api := app.Group("/api", named("all", 4))
	search := api.Group("/search", named("search", 2))
	search.Get("/", named("strict", 1), ok)
	api.Get("/", ok)
	addr := serve(t, app)
	w, _ := send(t, addr, request(http.MethodGet, "/api/search"))
	require.Equal(t, http.StatusOK, w.StatusCode)
	require.Equal(t, []string{`"all";r=3;t=15, "search";r=1;t=30, "strict";r=0;t=60`}, w.Header["Ratelimit"])
	require.Equal(t, []string{`"all";q=4;w=60, "search";q=2;w=60, "strict";q=1;w=60`}, w.Header["Ratelimit-Policy"])
	w, body := send(t, addr, request(http.MethodGet, "/api/search"))
	require.Equal(t, http.StatusTooManyRequests, w.StatusCode)
	require.Equal(t, []string{`"all";r=2;t=30, "search";r=0;t=60, "strict";r=0;t=60`}, w.Header["Ratelimit"])
	require.Equal(t, []string{"60"}, w.Header["Retry-After"])
	require.Contains(t, body, `["strict"]`)
	w, _ = send(t, addr, request(http.MethodGet, "/api"))
	require.Equal(t, []string{`"all";r=1;t=45`}, w.Header["Ratelimit"])
}

// Several limits are charged together or not at all.
func TestSeveral(t *testing.T) {
	redis := startRedis(t)
	user := func(c fiber.Ctx) string { return c.Get("User") }
	addr := serve(t, chain(limitAll(t, []fiberlimit.Limit{
		{Name: "peer", Limiter: perMinute(t, redis, "peer", 4), Identity: fiberlimit.Peer},
		{Name: "user", Limiter: perMinute(t, redis, "user", 10), Identity: user, Cost: func(c fiber.Ctx) int64 { return fiber.Query[int64](c, "n") }},
	}), ok))
	for _, step := range []struct {
		user, path string
		status     int
		want       string
	}{
		{"alice", "/?n=6", 200, `"peer";r=3;t=15, "user";r=4;t=36`},
		{"alice", "/?n=5", 429, `"peer";r=3, "user";r=4;t=6`}, // t=15 is after Retry-After
		{"bob", "/?n=0", 200, `"peer";r=2;t=30, "user";r=10`},
		{"", "/?n=1", 400, ""},
		{"bob", "/?n=10", 200, `"peer";r=1;t=45, "user";r=0;t=60`},
	} {
		w, _ := send(t, addr, request(http.MethodGet, step.path, "User", step.user))
		require.Equal(t, step.status, w.StatusCode)
		require.Equal(t, step.want, w.Header.Get("RateLimit"))
	}
}

// A decision is made under the context that SetContext has set, or else under one that
// does not end with the request or the server.
func TestContextOfDecisions(t *testing.T) {
	type key struct{}
	seen := make(chan context.Context, 1)
	limiter := perMinute(t, startRedis(t), "a", 9, ratelimit.WithObserver(observer(func(ctx context.Context, _ ratelimit.Event) { seen <- ctx })))
	addr := serve(t, chain(func(c fiber.Ctx) error {
		if c.Query("set") != "" {
			c.SetContext(context.WithValue(c.Context(), key{}, "kept"))
		}
		return c.Next()
	}, limit(t, limiter, alice), ok))
	send(t, addr, request(http.MethodGet, "/"))
	require.Equal(t, context.Background(), <-seen)
	send(t, addr, request(http.MethodGet, "/?set=1"))
	require.Equal(t, "kept", (<-seen).Value(key{}))

	// A deadline that has already passed.
	late := serve(t, chain(func(c fiber.Ctx) error {
		ctx, cancel := context.WithDeadline(c.Context(), time.Unix(0, 0))
		defer cancel()
		c.SetContext(ctx)
		return c.Next()
	}, limit(t, limiter, alice), never(t)))
	w, body := send(t, late, request(http.MethodGet, "/"))
	require.Equal(t, http.StatusServiceUnavailable, w.StatusCode)
	require.Empty(t, body)
}

type observer func(context.Context, ratelimit.Event)

func (o observer) Observe(ctx context.Context, e ratelimit.Event) { o(ctx, e) }

func TestSkip(t *testing.T) {
	addr := serve(t, chain(limit(t, perMinute(t, startRedis(t), "a", 1), alice,
		fiberlimit.WithSkip(func(c fiber.Ctx) bool { return c.Path() == "/healthz" }),
		fiberlimit.WithSkip(func(c fiber.Ctx) bool { return c.Method() == http.MethodOptions })), ok))
	for _, r := range []*http.Request{request(http.MethodGet, "/healthz"), request(http.MethodOptions, "/")} {
		w, _ := send(t, addr, r)
		require.Equal(t, http.StatusOK, w.StatusCode)
		require.Empty(t, w.Header.Get("RateLimit"))
	}
	w, _ := send(t, addr, request(http.MethodGet, "/"))
	require.Equal(t, `"default";r=0;t=60`, w.Header.Get("RateLimit"))
}

func TestFromContext(t *testing.T) {
	redis := startRedis(t)
	for _, pass := range []bool{false, true} {
		for _, options := range [][]fiberlimit.Option{nil, {fiberlimit.WithContext()}} {
			app := fiber.New(fiber.Config{PassLocalsToContext: pass})
			limiter := perMinute(t, redis, fmt.Sprint("a", pass, len(options)), 2)
			app.Use(limit(t, limiter, alice, options...), func(c fiber.Ctx) error {
				d, found := fiberlimit.FromContext(c)
				require.Equal(t, options != nil, found)
				_, passed := fiberlimit.FromContext(c.Context())
				require.Equal(t, pass && found, passed)
				if found {
					require.Equal(t, "default", d.Name)
					require.Equal(t, int64(1), d.Result.Remaining)
				}
				return nil
			})
			w, _ := send(t, serve(t, app), request(http.MethodGet, "/"))
			require.Equal(t, http.StatusOK, w.StatusCode)
		}
	}
}

func TestBadArguments(t *testing.T) {
	limiter := perMinute(t, startRedis(t), "a", 1)
	all := func(limits ...fiberlimit.Limit) func(...fiberlimit.Option) error {
		return func(options ...fiberlimit.Option) error { return second(fiberlimit.NewAll(limits, options...)) }
	}
	one := all(fiberlimit.Limit{Name: "a", Limiter: limiter, Identity: alice})
	handler := func(fiber.Ctx, httplimit.Decision) error { return nil }
	for want, err := range map[string]error{
		"fiberlimit: httplimit: there is no limit":                 all()(),
		"fiberlimit: httplimit: limit 0: name is empty":            all(fiberlimit.Limit{Limiter: limiter, Identity: alice})(),
		`fiberlimit: httplimit: limit "a": limiter is nil`:         all(fiberlimit.Limit{Name: "a", Identity: alice})(),
		`fiberlimit: limit "a": identity is nil`:                   all(fiberlimit.Limit{Name: "a", Limiter: limiter})(),
		`fiberlimit: limit "default": identity is nil`:             second(fiberlimit.New(limiter, fiberlimit.First())),
		`fiberlimit: httplimit: headers is 9`:                      one(fiberlimit.WithHeaders(9)),
		"fiberlimit: skip is nil":                                  one(fiberlimit.WithSkip(nil)),
		"fiberlimit: handler for denied is nil":                    one(fiberlimit.WithHandler(httplimit.Denied, nil)),
		"fiberlimit: handler is for outcome 1 (allowed): must":     one(fiberlimit.WithHandler(httplimit.Allowed, handler)),
		"fiberlimit: handler is for outcome 4 (canceled): must be": one(fiberlimit.WithHandler(httplimit.Canceled, handler)),
		"fiberlimit: handler is for outcome -1 (unknown): must be": one(fiberlimit.WithHandler(-1, handler)),
	} {
		require.ErrorContains(t, err, want)
	}
	require.NoError(t, one(nil, fiberlimit.WithHeaders(httplimit.HeadersNone)))
}
