package ginlimit_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	gzipped "github.com/gin-contrib/gzip"
	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/ginlimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/internal/routetest"
)

// TestSockets compares gin with net/http. Each group of limits is on a router group inside
// the one before.
func TestSockets(t *testing.T) {
	routetest.Run(t, func(t testing.TB, next http.HandlerFunc, groups ...[]httplimit.Limit) http.Handler {
		engine := gin.New()
		var router gin.IRouter = engine
		for _, group := range groups {
			limits := make([]ginlimit.Limit, len(group))
			for i, l := range group {
				limits[i] = ginlimit.Limit{Name: l.Name, Limiter: l.Limiter, Identity: ginlimit.HTTP(l.Identity)}
				if l.Cost != nil {
					limits[i].Cost = func(c *gin.Context) int64 { return l.Cost(c.Request) }
				}
			}
			limit, err := ginlimit.NewAll(limits)
			require.NoError(t, err)
			inner := router.Group("")
			inner.Use(limit)
			router = inner
		}
		router.Any("/*path", func(c *gin.Context) { next(c.Writer, c.Request) })
		return engine
	})
}

// gin can serve HTTP/2 without TLS, where the limit holds too.
func TestH2C(t *testing.T) {
	engine := gin.New()
	engine.UseH2C = true
	engine.GET("/", one(t), ok)
	server := httptest.NewUnstartedServer(engine.Handler())
	server.Start()
	defer server.Close()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for _, status := range []int{http.StatusOK, http.StatusTooManyRequests} {
		w, err := client.Get(server.URL)
		require.NoError(t, err)
		require.NoError(t, w.Body.Close())
		require.Equal(t, 2, w.ProtoMajor)
		require.Equal(t, status, w.StatusCode)
	}
}

// Outer middlewares see a refusal as the client gets it, and inner handlers are not
// called.
func TestRefusalAborts(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		var seen []int
		engine := gin.New()
		engine.Use(func(c *gin.Context) {
			c.Next()
			require.True(t, c.Writer.Written())
			require.Equal(t, c.Writer.Status() != http.StatusOK, c.IsAborted())
			seen = append(seen, c.Writer.Status(), c.Writer.Size())
		}, one(t), func(c *gin.Context) { c.Header("Further-In", "yes") })
		engine.Handle(method, "/", func(c *gin.Context) { ok(c) })
		server := routetest.Serve(t, engine, false)
		allowed, _ := routetest.Send(t, server, method, "/")
		require.NotEmpty(t, allowed.Header.Get("Further-In"))
		denied, body := routetest.Send(t, server, method, "/")
		require.Empty(t, denied.Header.Get("Further-In"))
		require.Equal(t, http.StatusTooManyRequests, denied.StatusCode)
		require.Equal(t, []int{http.StatusOK, 2, http.StatusTooManyRequests, len(body)}, seen)
	}
}

// A request whose client has gone gets a status, for logs, but no body.
func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var status int
	engine := gin.New()
	engine.GET("/", func(c *gin.Context) {
		c.Next()
		status = c.Writer.Status()
		require.True(t, c.Writer.Written())
		require.Zero(t, c.Writer.Size())
	}, func(c *gin.Context) { c.Request = c.Request.WithContext(ctx) }, one(t), never(t))
	w, body := routetest.Send(t, routetest.Serve(t, engine, false), http.MethodGet, "/")
	require.Equal(t, http.StatusServiceUnavailable, w.StatusCode)
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Empty(t, body)
}

// Unlike gin's ClientIP by default, the limit does not believe what a client says about
// its address.
func TestClientIPIsNotBelieved(t *testing.T) {
	engine := gin.New() // it trusts all proxies by default
	var ip string
	engine.GET("/", func(c *gin.Context) { ip = c.ClientIP() }, one(t), ok)
	server := routetest.Serve(t, engine, false)
	for i, forged := range []string{"203.0.113.1", "203.0.113.2", "203.0.113.3"} {
		w, _ := routetest.Send(t, server, http.MethodGet, "/", "X-Forwarded-For", forged)
		require.Equal(t, forged, ip, "that is what gin believes")
		require.Equal(t, i > 0, w.StatusCode == http.StatusTooManyRequests)
	}
}

func TestIdentities(t *testing.T) {
	tests := []struct {
		name     string
		identity ginlimit.Identity
		want     string
	}{
		{"Set", func(c *gin.Context) string { return "user:" + c.GetString("user") }, "user:alice"},
		{"Param", func(c *gin.Context) string { return "team:" + c.Param("team") }, "team:red"},
		{"FullPath", func(c *gin.Context) string { return c.FullPath() }, "/teams/:team"},
		{"HTTP", peer, "ip:127.0.0.1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got string
			watch := observer(func(e ratelimit.Event) { got = e.Identity.Reveal() })
			limiter := routetest.PerMinute(t, routetest.StartRedis(t), "a", 1, ratelimit.WithObserver(watch))
			engine := gin.New()
			engine.Use(func(c *gin.Context) { c.Set("user", "alice") }, newLimit(t, limiter, test.identity))
			engine.GET("/teams/:team", ok)
			w, _ := routetest.Send(t, routetest.Serve(t, engine, false), http.MethodGet, "/teams/red")
			require.Equal(t, http.StatusOK, w.StatusCode)
			require.Equal(t, test.want, got)
		})
	}
}

type observer func(ratelimit.Event)

func (o observer) Observe(_ context.Context, e ratelimit.Event) { o(e) }

// Requests without a route are limited by middleware of the engine, and by that of
// NoRoute.
func TestNoRoute(t *testing.T) {
	byUse, byNoRoute := gin.New(), gin.New()
	byUse.Use(one(t))
	byNoRoute.NoRoute(one(t))
	for _, engine := range []*gin.Engine{byUse, byNoRoute} {
		engine.GET("/there", ok)
		server := routetest.Serve(t, engine, false)
		w, body := routetest.Send(t, server, http.MethodGet, "/nowhere")
		require.Equal(t, http.StatusNotFound, w.StatusCode)
		require.Equal(t, "404 page not found", body)
		require.Equal(t, `"default";r=0;t=60`, w.Header.Get("RateLimit"))
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			w, body = routetest.Send(t, server, method, "/nowhere")
			require.Equal(t, http.StatusTooManyRequests, w.StatusCode)
			require.NotContains(t, body, "404")
		}
	}
}

// A route can have a limit of its own, in addition to that of its group.
func TestRoutes(t *testing.T) {
	redis := routetest.StartRedis(t)
	engine := gin.New()
	api := engine.Group("/api", newLimit(t, routetest.PerMinute(t, redis, "api", 3), peer))
	named, err := ginlimit.NewAll([]ginlimit.Limit{{Name: "search", Limiter: routetest.PerMinute(t, redis, "search", 1), Identity: peer}})
	require.NoError(t, err)
	api.GET("/search", named, ok)
	api.GET("/list", ok)
	engine.GET("/free", ok)
	server := routetest.Serve(t, engine, false)
	for _, step := range []struct {
		path, limits string
		status       int
	}{
		{"/api/search", `"default";r=2;t=20, "search";r=0;t=60`, 200},
		{"/api/list", `"default";r=1;t=40`, 200},
		{"/api/search", `"default";r=0;t=60, "search";r=0;t=60`, 429},
		{"/api/list", `"default";r=0;t=20`, 429},
		{"/free", "", 200},
	} {
		w, _ := routetest.Send(t, server, http.MethodGet, step.path)
		require.Equal(t, step.status, w.StatusCode)
		require.Equal(t, step.limits, strings.Join(w.Header["Ratelimit"], "|"))
	}
}

// Outer compression middleware leaves refusals as they are, and still compresses what
// handlers write.
func TestBehindCompression(t *testing.T) {
	engine := gin.New()
	engine.GET("/", gzipped.Gzip(gzipped.BestSpeed), one(t), func(c *gin.Context) { c.String(http.StatusOK, strings.Repeat("ok ", 999)) })
	server := routetest.Serve(t, engine, false)
	w, body := routetest.Send(t, server, http.MethodGet, "/", "Accept-Encoding", "gzip")
	require.Equal(t, "gzip", w.Header.Get("Content-Encoding"))
	require.Equal(t, `"default";r=0;t=60`, w.Header.Get("RateLimit"))
	unzipped, err := gzip.NewReader(strings.NewReader(body))
	require.NoError(t, err)
	text, err := io.ReadAll(unzipped)
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("ok ", 999), string(text))

	w, body = routetest.Send(t, server, http.MethodGet, "/", "Accept-Encoding", "gzip")
	require.Equal(t, http.StatusTooManyRequests, w.StatusCode)
	require.Empty(t, w.Header.Get("Content-Encoding"))
	require.Contains(t, body, "#quota-exceeded")
}

// A handler's panic is left to gin's recovery middleware, which answers 500.
func TestRecovery(t *testing.T) {
	engine := gin.New()
	engine.Use(gin.CustomRecoveryWithWriter(io.Discard, func(c *gin.Context, err any) {
		require.Equal(t, "broken", err)
		c.AbortWithStatus(http.StatusInternalServerError)
	}), one(t))
	engine.GET("/", func(*gin.Context) { panic("broken") })
	server := routetest.Serve(t, engine, false)
	for _, status := range []int{http.StatusInternalServerError, http.StatusTooManyRequests} {
		w, _ := routetest.Send(t, server, http.MethodGet, "/")
		require.Equal(t, status, w.StatusCode)
		require.NotEmpty(t, w.Header.Get("RateLimit"))
	}
}

func TestLogger(t *testing.T) {
	var log bytes.Buffer
	engine := gin.New()
	engine.Use(gin.LoggerWithConfig(gin.LoggerConfig{Output: &log, Formatter: func(p gin.LogFormatterParams) string {
		return http.StatusText(p.StatusCode) + "\n"
	}}), one(t))
	engine.GET("/", ok)
	server := routetest.Serve(t, engine, false)
	for range 2 {
		routetest.Send(t, server, http.MethodGet, "/")
	}
	require.Equal(t, "OK\nToo Many Requests\n", log.String())
}

func TestSkip(t *testing.T) {
	engine := gin.New()
	limiter := routetest.PerMinute(t, routetest.Away{}, "a", 1, ratelimit.WithFailureMode(ratelimit.FailClosed))
	engine.Use(newLimit(t, limiter, peer,
		ginlimit.WithSkip(func(c *gin.Context) bool { return c.FullPath() == "/healthz" }),
		ginlimit.WithSkip(func(c *gin.Context) bool { return c.Request.Method == http.MethodOptions })))
	engine.Any("/healthz", ok)
	engine.Any("/", ok)
	server := routetest.Serve(t, engine, false)
	for _, step := range []struct {
		method, path string
		status       int
	}{{"GET", "/healthz", 200}, {"OPTIONS", "/", 200}, {"GET", "/", 503}} {
		w, _ := routetest.Send(t, server, step.method, step.path)
		require.Equal(t, step.status, w.StatusCode)
		require.Empty(t, w.Header.Get("RateLimit"))
	}
}

func TestHandler(t *testing.T) {
	nobody := func(*gin.Context) string { return "" }
	closed := ratelimit.WithFailureMode(ratelimit.FailClosed)
	for _, test := range []struct {
		outcome  httplimit.Outcome
		limiter  *ratelimit.Limiter
		identity ginlimit.Identity
		err      error
	}{
		{httplimit.Denied, routetest.PerMinute(t, routetest.Says{Retry: time.Second}, "a", 1), peer, nil},
		{httplimit.Unavailable, routetest.PerMinute(t, routetest.Away{}, "a", 1, closed), peer, nil},
		{httplimit.Invalid, routetest.PerMinute(t, routetest.Says{}, "a", 1), nobody, ratelimit.ErrIdentity},
	} {
		t.Run(test.outcome.String(), func(t *testing.T) {
			engine := gin.New()
			engine.GET("/", newLimit(t, test.limiter, test.identity, ginlimit.WithHandler(test.outcome,
				func(c *gin.Context, d httplimit.Decision) {
					require.True(t, errors.Is(d.Err, test.err))
					require.Equal(t, d.Outcome == httplimit.Denied, c.Writer.Header().Get("RateLimit") != "")
					c.Next() // this must not call never
					c.JSON(d.Outcome.Status(), gin.H{"error": d.Outcome.String()})
				})), never(t))
			w, body := routetest.Send(t, routetest.Serve(t, engine, false), http.MethodGet, "/")
			require.Equal(t, test.outcome.Status(), w.StatusCode)
			require.JSONEq(t, `{"error":"`+test.outcome.String()+`"}`, body)
		})
	}
}

func TestContext(t *testing.T) {
	for _, options := range [][]ginlimit.Option{nil, {ginlimit.WithContext()}} {
		engine := gin.New()
		free := func(*gin.Context) int64 { return 0 }
		named, err := ginlimit.NewAll([]ginlimit.Limit{{Name: "free", Limiter: routetest.PerMinute(t, routetest.Says{}, "a", 1), Identity: peer, Cost: free}}, options...)
		require.NoError(t, err)
		engine.GET("/free", named, func(c *gin.Context) {
			_, found := ginlimit.FromContext(c)
			require.False(t, found)
		})
		engine.GET("/", one(t, options...), func(c *gin.Context) {
			d, found := ginlimit.FromContext(c)
			require.Equal(t, options != nil, found)
			copied, foundIt := ginlimit.FromContext(c.Copy())
			require.Equal(t, found, foundIt)
			require.Equal(t, d, copied)
			if found {
				require.Equal(t, httplimit.Allowed, d.Outcome)
				require.Equal(t, "default", d.Name)
			}
		})
		server := routetest.Serve(t, engine, false)
		for _, path := range []string{"/", "/free"} {
			w, _ := routetest.Send(t, server, http.MethodGet, path)
			require.Equal(t, http.StatusOK, w.StatusCode)
		}
	}
}

func TestBadArguments(t *testing.T) {
	limiter := routetest.PerMinute(t, routetest.Says{}, "a", 1)
	handler := func(*gin.Context, httplimit.Decision) {}
	with := func(options ...ginlimit.Option) error {
		_, err := ginlimit.New(limiter, peer, options...)
		return err
	}
	_, noLimit := ginlimit.NewAll(nil)
	_, noLimiter := ginlimit.New(nil, peer)
	_, noIdentity := ginlimit.New(limiter, nil)
	_, noHTTP := ginlimit.New(limiter, ginlimit.HTTP(httplimit.First()))
	_, noFirst := ginlimit.New(limiter, ginlimit.First())
	_, noAll := ginlimit.New(limiter, ginlimit.All(peer, nil))
	_, twice := ginlimit.NewAll([]ginlimit.Limit{{Name: "a", Limiter: limiter, Identity: peer}, {Name: "a", Limiter: limiter, Identity: peer}})
	for want, err := range map[string]error{
		"there is no limit":                noLimit,
		`limit "default": limiter is nil`:  noLimiter,
		`limit "default": identity is nil`: noIdentity,
		`"default": identity is nil`:       noHTTP,
		`t "default": identity is nil`:     noFirst,
		`it "default": identity is nil`:    noAll,
		`name is "a", as that of another`:  twice,
		"headers is 9: must be":            with(ginlimit.WithHeaders(9)),
		"skip is nil":                      with(ginlimit.WithSkip(nil)),
		"handler for denied is nil":        with(ginlimit.WithHandler(httplimit.Denied, nil)),
		"handler is for outcome 1 (allow":  with(ginlimit.WithHandler(httplimit.Allowed, handler)),
		"handler is for outcome 4 (cance":  with(ginlimit.WithHandler(httplimit.Canceled, handler)),
		"handler is for outcome -1 (unkn":  with(ginlimit.WithHandler(-1, nil)),
	} {
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "ginlimit: ")
	}
	require.NoError(t, with(nil, ginlimit.WithHeaders(httplimit.HeadersNone)))
}
