package echolimit_test

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/echolimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/internal/routetest"
)

// TestSockets compares Echo with net/http. Each group of limits is on an Echo group inside
// the one before.
func TestSockets(t *testing.T) {
	routetest.Run(t, func(t testing.TB, next http.HandlerFunc, groups ...[]httplimit.Limit) http.Handler {
		e := echo.NewWithConfig(echo.Config{NoGroupAutoRegister404Routes: true}) // those routes would match any path, too
		router := e.Group("")
		for _, group := range groups {
			limits := make([]echolimit.Limit, len(group))
			for i, l := range group {
				limits[i] = echolimit.Limit{Name: l.Name, Limiter: l.Limiter, Identity: echolimit.HTTP(l.Identity)}
				if l.Cost != nil {
					limits[i].Cost = func(c *echo.Context) int64 { return l.Cost(c.Request()) }
				}
			}
			limit, err := echolimit.NewAll(limits)
			require.NoError(t, err)
			router = router.Group("", limit)
		}
		router.Any("/*", func(c *echo.Context) error {
			next(c.Response(), c.Request())
			return nil
		})
		return e
	})
}

// Outer middlewares see a refusal as the client gets it, and inner handlers are not
// called.
func TestRefusalIsSeen(t *testing.T) {
	for _, test := range []struct {
		name    string
		options []echolimit.Option
		body    string
		err     bool
	}{
		{"Answered", nil, "#quota-exceeded", false},
		{"WithErrors", []echolimit.Option{echolimit.WithErrors()}, `{"message":"Too Many Requests"}`, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var logged []int
			e := echo.New()
			e.Use(middleware.RequestLoggerWithConfig(middleware.RequestLoggerConfig{
				LogStatus: true,
				LogValuesFunc: func(_ *echo.Context, v middleware.RequestLoggerValues) error {
					logged = append(logged, v.Status)
					return nil
				},
			}), func(next echo.HandlerFunc) echo.HandlerFunc {
				return func(c *echo.Context) error {
					err := next(c)
					response, unwrapErr := echo.UnwrapResponse(c.Response())
					require.NoError(t, unwrapErr)
					require.Equal(t, err == nil, response.Committed)
					require.Equal(t, test.err && len(logged) > 0, err != nil)
					return err
				}
			}, one(t, test.options...), func(next echo.HandlerFunc) echo.HandlerFunc {
				return func(c *echo.Context) error {
					c.Response().Header().Set("Further-In", "yes")
					return next(c)
				}
			})
			e.GET("/", ok)
			server := routetest.Serve(t, e, false)
			allowed, _ := routetest.Send(t, server, http.MethodGet, "/")
			require.NotEmpty(t, allowed.Header.Get("Further-In"))
			denied, body := routetest.Send(t, server, http.MethodGet, "/")
			require.Equal(t, http.StatusTooManyRequests, denied.StatusCode)
			require.Equal(t, "60", denied.Header.Get("Retry-After"))
			require.Empty(t, denied.Header.Get("Further-In"))
			require.Contains(t, body, test.body)
			require.Equal(t, []int{http.StatusOK, http.StatusTooManyRequests}, logged)
		})
	}
}

// refusals returns a limiter and an identity for each outcome that can have a handler and
// that a test can bring about.
func refusals(t *testing.T) map[httplimit.Outcome]echolimit.Limit {
	closed := ratelimit.WithFailureMode(ratelimit.FailClosed)
	return map[httplimit.Outcome]echolimit.Limit{
		httplimit.Denied:      {Limiter: routetest.PerMinute(t, routetest.Says{Retry: time.Second}, "a", 1), Identity: peer},
		httplimit.Unavailable: {Limiter: routetest.PerMinute(t, routetest.Away{}, "a", 1, closed), Identity: peer},
		httplimit.Invalid: {Limiter: routetest.PerMinute(t, routetest.Says{}, "a", 1),
			Identity: func(*echo.Context) string { return "" }},
	}
}

// With WithErrors, Echo's HTTPErrorHandler finds the decision in the error, even if a
// handler of WithHandler has wrapped it.
func TestErrors(t *testing.T) {
	for outcome, l := range refusals(t) {
		for name, options := range map[string][]echolimit.Option{
			"WithErrors": {echolimit.WithErrors()},
			"WithHandler": {echolimit.WithErrors(), echolimit.WithHandler(outcome, func(_ *echo.Context, d httplimit.Decision) error {
				return echo.HTTPError{Code: http.StatusTeapot}.Wrap(&echolimit.Error{Decision: d})
			})},
		} {
			t.Run(name+"/"+outcome.String(), func(t *testing.T) {
				e := echo.New()
				e.HTTPErrorHandler = func(c *echo.Context, err error) {
					var refused *echolimit.Error
					require.ErrorAs(t, err, &refused)
					require.Equal(t, outcome, refused.Decision.Outcome)
					require.Equal(t, outcome == httplimit.Invalid, errors.Is(err, ratelimit.ErrIdentity))
					require.Equal(t, outcome == httplimit.Denied, c.Response().Header().Get("RateLimit") != "")
					require.Contains(t, err.Error(), outcome.String())
					require.NoError(t, c.String(echo.StatusCode(err), "of one form"))
				}
				e.GET("/", never(t), newLimit(t, l.Limiter, l.Identity, options...))
				w, body := routetest.Send(t, routetest.Serve(t, e, false), http.MethodGet, "/")
				want := outcome.Status()
				if name == "WithHandler" {
					want = http.StatusTeapot
				}
				require.Equal(t, want, w.StatusCode)
				require.Equal(t, "of one form", body)
			})
		}
	}
}

func TestHandler(t *testing.T) {
	for outcome, l := range refusals(t) {
		t.Run(outcome.String(), func(t *testing.T) {
			e := echo.New()
			e.HTTPErrorHandler = func(_ *echo.Context, err error) { t.Error(err) }
			e.GET("/", never(t), newLimit(t, l.Limiter, l.Identity, echolimit.WithHandler(outcome,
				func(c *echo.Context, d httplimit.Decision) error {
					return c.JSON(d.Outcome.Status(), map[string]string{"error": d.Outcome.String()})
				})))
			w, body := routetest.Send(t, routetest.Serve(t, e, false), http.MethodGet, "/")
			require.Equal(t, outcome.Status(), w.StatusCode)
			require.JSONEq(t, `{"error":"`+outcome.String()+`"}`, body)
		})
	}
}

// An error of a handler is left to Echo, and the header fields stay.
func TestErrorPassesThrough(t *testing.T) {
	e := echo.New()
	e.GET("/", func(*echo.Context) error { return echo.ErrForbidden }, one(t))
	w, body := routetest.Send(t, routetest.Serve(t, e, false), http.MethodGet, "/")
	require.Equal(t, http.StatusForbidden, w.StatusCode)
	require.JSONEq(t, `{"message":"Forbidden"}`, body)
	require.Equal(t, `"default";r=0;t=60`, w.Header.Get("RateLimit"))
}

func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e := echo.New()
	e.HTTPErrorHandler = func(_ *echo.Context, err error) { t.Error(err) }
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			c.SetRequest(c.Request().WithContext(ctx))
			return next(c)
		}
	}, one(t, echolimit.WithErrors()))
	e.GET("/", never(t))
	w, body := routetest.Send(t, routetest.Serve(t, e, false), http.MethodGet, "/")
	require.Equal(t, http.StatusServiceUnavailable, w.StatusCode)
	require.Empty(t, body)
}

func TestIdentities(t *testing.T) {
	for want, identity := range map[string]echolimit.Identity{
		"user:alice":   func(c *echo.Context) string { return "user:" + c.Get("user").(string) },
		"team:red":     func(c *echo.Context) string { return "team:" + c.Param("team") },
		"/teams/:team": func(c *echo.Context) string { return c.Path() },
		"ip:127.0.0.1": peer,
	} {
		var got string
		watch := observer(func(e ratelimit.Event) { got = e.Identity.Reveal() })
		limiter := routetest.PerMinute(t, routetest.StartRedis(t), "a", 1, ratelimit.WithObserver(watch))
		e := echo.New()
		e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c *echo.Context) error {
				c.Set("user", "alice")
				return next(c)
			}
		}, newLimit(t, limiter, identity))
		e.GET("/teams/:team", ok)
		w, _ := routetest.Send(t, routetest.Serve(t, e, false), http.MethodGet, "/teams/red")
		require.Equal(t, http.StatusOK, w.StatusCode)
		require.Equal(t, want, got)
	}
}

type observer func(ratelimit.Event)

func (o observer) Observe(_ context.Context, e ratelimit.Event) { o(e) }

// Whatever IPExtractor Echo has, the limit does not believe what a client says about its
// address.
func TestRealIPIsNotBelieved(t *testing.T) {
	e := echo.New()
	e.IPExtractor = echo.LegacyIPExtractor() // that of Echo v4
	var ip string
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			ip = c.RealIP()
			return next(c)
		}
	}, one(t))
	e.GET("/", ok)
	server := routetest.Serve(t, e, false)
	for i, forged := range []string{"203.0.113.1", "203.0.113.2", "203.0.113.3"} {
		w, _ := routetest.Send(t, server, http.MethodGet, "/", "X-Forwarded-For", forged)
		require.Equal(t, forged, ip, "that is what Echo believes")
		require.Equal(t, i > 0, w.StatusCode == http.StatusTooManyRequests)
	}
}

// Requests without a route are limited by middleware of Use, and by that of Pre.
func TestNoRoute(t *testing.T) {
	byUse, byPre := echo.New(), echo.New()
	byUse.Use(one(t))
	byPre.Pre(one(t))
	for _, e := range []*echo.Echo{byUse, byPre} {
		e.GET("/there", ok)
		server := routetest.Serve(t, e, false)
		for _, status := range []int{http.StatusNotFound, http.StatusTooManyRequests} {
			w, _ := routetest.Send(t, server, http.MethodGet, "/nowhere")
			require.Equal(t, status, w.StatusCode)
			require.NotEmpty(t, w.Header.Get("RateLimit"))
		}
	}
}

// A HEAD request that Echo itself routes to a GET handler is answered like GET.
func TestAutoHead(t *testing.T) {
	e := echo.NewWithConfig(echo.Config{Router: echo.NewRouter(echo.RouterConfig{AutoHandleHEAD: true})})
	e.GET("/", ok, one(t))
	server := routetest.Serve(t, e, false)
	w, _ := routetest.Send(t, server, http.MethodHead, "/")
	require.Equal(t, http.StatusOK, w.StatusCode)
	get, body := routetest.Send(t, server, http.MethodGet, "/")
	head, none := routetest.Send(t, server, http.MethodHead, "/")
	require.Equal(t, http.StatusTooManyRequests, head.StatusCode)
	require.Empty(t, none)
	require.Equal(t, int64(len(body)), head.ContentLength)
	get.Header.Del("Date")
	head.Header.Del("Date")
	require.Equal(t, get.Header, head.Header)
}

// Outer compression middleware may compress refusals as well.
func TestBehindCompression(t *testing.T) {
	e := echo.New()
	e.Use(middleware.Gzip(), one(t))
	e.GET("/", ok)
	server := routetest.Serve(t, e, false)
	var body string
	for _, status := range []int{http.StatusOK, http.StatusTooManyRequests} {
		w, zipped := routetest.Send(t, server, http.MethodGet, "/", "Accept-Encoding", "gzip")
		require.Equal(t, status, w.StatusCode)
		require.Equal(t, "gzip", w.Header.Get("Content-Encoding"))
		unzipped, err := gzip.NewReader(strings.NewReader(zipped))
		require.NoError(t, err)
		text, err := io.ReadAll(unzipped)
		require.NoError(t, err)
		body = string(text)
	}
	require.Contains(t, body, "#quota-exceeded")
}

// A handler's panic is left to Echo's Recover, whose error is answered with 500.
func TestRecover(t *testing.T) {
	e := echo.New()
	e.Use(middleware.Recover(), one(t))
	e.GET("/", func(*echo.Context) error { panic("broken") })
	server := routetest.Serve(t, e, false)
	for _, status := range []int{http.StatusInternalServerError, http.StatusTooManyRequests} {
		w, _ := routetest.Send(t, server, http.MethodGet, "/")
		require.Equal(t, status, w.StatusCode)
		require.NotEmpty(t, w.Header.Get("RateLimit"))
	}
}

func TestSkip(t *testing.T) {
	e := echo.New()
	limiter := routetest.PerMinute(t, routetest.Away{}, "a", 1, ratelimit.WithFailureMode(ratelimit.FailClosed))
	e.Use(newLimit(t, limiter, peer,
		echolimit.WithSkip(middleware.DefaultSkipper),
		echolimit.WithSkip(func(c *echo.Context) bool { return c.Path() == "/healthz" }),
		echolimit.WithSkip(func(c *echo.Context) bool { return c.Request().Method == http.MethodOptions })))
	e.Any("/healthz", ok)
	e.Any("/", ok)
	server := routetest.Serve(t, e, false)
	for _, step := range []struct {
		method, path string
		status       int
	}{{"GET", "/healthz", 200}, {"OPTIONS", "/", 200}, {"GET", "/", 503}} {
		w, _ := routetest.Send(t, server, step.method, step.path)
		require.Equal(t, step.status, w.StatusCode)
		require.Empty(t, w.Header.Get("RateLimit"))
	}
}

func TestContext(t *testing.T) {
	for _, options := range [][]echolimit.Option{nil, {echolimit.WithContext()}} {
		e := echo.New()
		free := func(*echo.Context) int64 { return 0 }
		named, err := echolimit.NewAll([]echolimit.Limit{{Name: "free", Limiter: routetest.PerMinute(t, routetest.Says{}, "a", 1), Identity: peer, Cost: free}}, options...)
		require.NoError(t, err)
		e.GET("/free", func(c *echo.Context) error {
			_, found := echolimit.FromContext(c)
			require.False(t, found)
			return ok(c)
		}, named)
		e.GET("/", func(c *echo.Context) error {
			d, found := echolimit.FromContext(c)
			require.Equal(t, options != nil, found)
			if found {
				require.Equal(t, httplimit.Allowed, d.Outcome)
				require.Equal(t, "default", d.Name)
			}
			return ok(c)
		}, one(t, options...))
		server := routetest.Serve(t, e, false)
		for _, path := range []string{"/", "/free"} {
			w, _ := routetest.Send(t, server, http.MethodGet, path)
			require.Equal(t, http.StatusOK, w.StatusCode)
		}
	}
}

func TestBadArguments(t *testing.T) {
	limiter := routetest.PerMinute(t, routetest.Says{}, "a", 1)
	handler := func(*echo.Context, httplimit.Decision) error { return nil }
	with := func(options ...echolimit.Option) error {
		_, err := echolimit.New(limiter, peer, options...)
		return err
	}
	_, noLimit := echolimit.NewAll(nil)
	_, noLimiter := echolimit.New(nil, peer)
	_, noIdentity := echolimit.New(limiter, nil)
	_, noHTTP := echolimit.New(limiter, echolimit.HTTP(httplimit.First()))
	_, noFirst := echolimit.New(limiter, echolimit.First())
	_, noAll := echolimit.New(limiter, echolimit.All(peer, nil))
	_, twice := echolimit.NewAll([]echolimit.Limit{{Name: "a", Limiter: limiter, Identity: peer}, {Name: "a", Limiter: limiter, Identity: peer}})
	for want, err := range map[string]error{
		"there is no limit":                noLimit,
		`limit "default": limiter is nil`:  noLimiter,
		`limit "default": identity is nil`: noIdentity,
		`"default": identity is nil`:       noHTTP,
		`t "default": identity is nil`:     noFirst,
		`it "default": identity is nil`:    noAll,
		`name is "a", as that of another`:  twice,
		"headers is 9: must be":            with(echolimit.WithHeaders(9)),
		"skip is nil":                      with(echolimit.WithSkip(nil)),
		"handler for denied is nil":        with(echolimit.WithHandler(httplimit.Denied, nil)),
		"handler is for outcome 1 (allow":  with(echolimit.WithHandler(httplimit.Allowed, handler)),
		"handler is for outcome 4 (cance":  with(echolimit.WithHandler(httplimit.Canceled, handler)),
		"handler is for outcome -1 (unkn":  with(echolimit.WithHandler(-1, nil)),
	} {
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "echolimit: ")
	}
	require.NoError(t, with(nil, echolimit.WithHeaders(httplimit.HeadersNone)))
}
