package echolimit_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/labstack/echo/v5"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/slidingwindow"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/middleware/echolimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
)

// must returns value, or ends the example if there is an error.
func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

// newRedis returns an embedded Redis whose clock stands still, so that the output is
// always the same.
func newRedis() *embedded.Redis {
	redis := must(embedded.Start())
	redis.SetTime(redis.Now().Truncate(time.Hour))
	return redis
}

// try sends a request, and prints the status and body of the response and these fields.
func try(h http.Handler, path string, fields ...string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	for _, field := range fields {
		fmt.Printf("  %s: %s\n", field, w.Header().Get(field))
	}
}

func Example() {
	redis, err := embedded.Start() // or goredis.Open("redis://localhost:6379")
	if err != nil {
		log.Fatal(err)
	}
	defer redis.Close()
	limiter, err := ratelimit.New(redis, tokenbucket.Limit{Rate: 2, Period: time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	limit, err := echolimit.New(limiter, echolimit.HTTP(httplimit.Peer))
	if err != nil {
		log.Fatal(err)
	}
	e := echo.New()
	e.Use(limit)
	e.GET("/", func(c *echo.Context) error { return c.String(http.StatusOK, "Hello.") })
	server := httptest.NewServer(e) // or e.Start
	defer server.Close()
	for range 3 {
		response, err := http.Get(server.URL)
		if err != nil {
			log.Fatal(err)
		}
		response.Body.Close()
		fmt.Println(response.Status)
	}
	// Output:
	// 200 OK
	// 200 OK
	// 429 Too Many Requests
}

// One limit for each user, whom an earlier middleware has identified.
func ExampleNew() {
	redis := newRedis()
	defer redis.Close()
	limiter := must(ratelimit.New(redis, tokenbucket.Limit{Rate: 1, Period: time.Minute}))

	user := func(c *echo.Context) string {
		name, _ := c.Get("user").(string)
		return name
	}
	limit, err := echolimit.New(limiter, user)
	if err != nil {
		log.Fatal(err)
	}
	e := echo.New()
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc { // in earnest, one that authenticates
		return func(c *echo.Context) error {
			c.Set("user", c.QueryParam("user"))
			return next(c)
		}
	})
	e.GET("/", func(c *echo.Context) error { return c.String(http.StatusOK, fmt.Sprintf("Hello, %v.", c.Get("user"))) }, limit)
	try(e, "/?user=alice", "RateLimit-Policy", "RateLimit")
	try(e, "/?user=bob")
	try(e, "/?user=")
	// Output:
	// 200 Hello, alice.
	//   RateLimit-Policy: "default";q=1;w=60
	//   RateLimit: "default";r=0;t=60
	// 200 Hello, bob.
	// 400 {"type":"about:blank","title":"Bad Request","status":400,"detail":"request does not identify its client"}
}

func ExampleNewAll() {
	redis := newRedis()
	defer redis.Close()
	second := must(ratelimit.New(redis, tokenbucket.Limit{Rate: 10, Period: time.Second}, ratelimit.WithNamespace("second")))
	day := must(ratelimit.New(redis, slidingwindow.Limit{Rate: 1000, Period: 24 * time.Hour}, ratelimit.WithNamespace("day")))

	team := func(c *echo.Context) string { return c.Param("team") }
	limit, err := echolimit.NewAll([]echolimit.Limit{
		{Name: "second", Limiter: second, Identity: team},
		{Name: "day", Limiter: day, Identity: team, Cost: func(c *echo.Context) int64 {
			if c.Path() == "/:team/report" {
				return 600
			}
			return 1
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	e := echo.New()
	e.Use(limit)
	e.GET("/:team", func(c *echo.Context) error { return c.String(http.StatusOK, "Hello.") })
	e.GET("/:team/report", func(c *echo.Context) error { return c.String(http.StatusOK, "A report.") })
	try(e, "/red/report", "RateLimit-Policy")
	try(e, "/red/report")
	try(e, "/red")
	// Output:
	// 200 A report.
	//   RateLimit-Policy: "second";q=10;w=1, "day";q=1000;w=86400
	// 429 {"type":"https://iana.org/assignments/http-problem-types#quota-exceeded","title":"Request cannot be satisfied as assigned quota has been exceeded","status":429,"violated-policies":["day"]}
	// 200 Hello.
}

func ExampleHTTP() {
	key, err := httplimit.Header("X-API-Key")
	if err != nil {
		log.Fatal(err)
	}
	identity := echolimit.HTTP(httplimit.First(key, httplimit.Peer))
	e := echo.New()
	e.GET("/", func(c *echo.Context) error { return c.String(http.StatusOK, identity(c)) })
	try(e, "/")
	// Output:
	// 200 first1:ip:192.0.2.1
}

func ExampleWithHandler() {
	redis := newRedis()
	defer redis.Close()
	limiter := must(ratelimit.New(redis, tokenbucket.Limit{Rate: 1, Period: time.Minute}))

	limit, err := echolimit.New(limiter, echolimit.HTTP(httplimit.Peer), echolimit.WithHandler(httplimit.Denied,
		func(c *echo.Context, d httplimit.Decision) error {
			return c.JSON(d.Outcome.Status(), map[string]any{"error": "slow down", "seconds": d.RetryAfter.Seconds()})
		}))
	if err != nil {
		log.Fatal(err)
	}
	e := echo.New()
	e.GET("/", func(c *echo.Context) error { return c.String(http.StatusOK, "Hello.") }, limit)
	try(e, "/")
	try(e, "/", "Retry-After")
	// Output:
	// 200 Hello.
	// 429 {"error":"slow down","seconds":60}
	//   Retry-After: 60
}

// With WithErrors, Echo's HTTPErrorHandler answers refusals too, so all errors of a
// service have one form.
func ExampleWithErrors() {
	redis := newRedis()
	defer redis.Close()
	limiter := must(ratelimit.New(redis, tokenbucket.Limit{Rate: 1, Period: time.Minute}))

	limit, err := echolimit.New(limiter, echolimit.HTTP(httplimit.Peer), echolimit.WithErrors())
	if err != nil {
		log.Fatal(err)
	}
	e := echo.New()
	e.HTTPErrorHandler = func(c *echo.Context, err error) {
		c.String(echo.StatusCode(err), "Sorry: "+err.Error())
	}
	e.Use(limit)
	e.GET("/", func(c *echo.Context) error { return c.String(http.StatusOK, "Hello.") })
	try(e, "/")
	try(e, "/", "Retry-After")
	// Output:
	// 200 Hello.
	// 429 Sorry: echolimit: request is denied
	//   Retry-After: 60
}

func ExampleWithSkip() {
	redis := newRedis()
	defer redis.Close()
	limiter := must(ratelimit.New(redis, tokenbucket.Limit{Rate: 1, Period: time.Minute}))

	limit, err := echolimit.New(limiter, echolimit.HTTP(httplimit.Peer),
		echolimit.WithSkip(func(c *echo.Context) bool { return c.Path() == "/healthz" }))
	if err != nil {
		log.Fatal(err)
	}
	e := echo.New()
	e.Use(limit)
	e.GET("/", func(c *echo.Context) error { return c.String(http.StatusOK, "Hello.") })
	e.GET("/healthz", func(c *echo.Context) error { return c.String(http.StatusOK, "Well.") })
	try(e, "/")
	try(e, "/healthz")
	// Output:
	// 200 Hello.
	// 200 Well.
}

func ExampleFromContext() {
	redis := newRedis()
	defer redis.Close()
	limiter := must(ratelimit.New(redis, tokenbucket.Limit{Rate: 5, Period: time.Minute}))

	limit, err := echolimit.New(limiter, echolimit.HTTP(httplimit.Peer), echolimit.WithContext())
	if err != nil {
		log.Fatal(err)
	}
	e := echo.New()
	e.GET("/", func(c *echo.Context) error {
		d, _ := echolimit.FromContext(c)
		return c.String(http.StatusOK, fmt.Sprintf("%d more.", d.Result.Remaining))
	}, limit)
	try(e, "/")
	// Output:
	// 200 4 more.
}

func ExampleFirst() {
	team := func(c *echo.Context) string { return c.Param("team") }
	first := echolimit.First(team, echolimit.HTTP(httplimit.Peer))
	all := echolimit.All(team, echolimit.HTTP(httplimit.Peer))
	e := echo.New()
	e.GET("/teams/:team", func(c *echo.Context) error { return c.String(http.StatusOK, first(c)+", "+all(c)) })
	try(e, "/teams/red")
	// Output:
	// 200 first0:red, all:3:red12:ip:192.0.2.1
}
