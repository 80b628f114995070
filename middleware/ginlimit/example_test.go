package ginlimit_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/slidingwindow"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/middleware/ginlimit"
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
	limit, err := ginlimit.New(limiter, ginlimit.HTTP(httplimit.Peer))
	if err != nil {
		log.Fatal(err)
	}
	router := gin.New()
	router.Use(limit)
	router.GET("/", func(c *gin.Context) { c.String(http.StatusOK, "Hello.") })
	server := httptest.NewServer(router) // or router.Run
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

	limit, err := ginlimit.New(limiter, func(c *gin.Context) string { return c.GetString("user") })
	if err != nil {
		log.Fatal(err)
	}
	router := gin.New()
	router.Use(func(c *gin.Context) { c.Set("user", c.Query("user")) }) // in earnest, one that authenticates
	router.GET("/", limit, func(c *gin.Context) { c.String(http.StatusOK, "Hello, %s.", c.GetString("user")) })
	try(router, "/?user=alice", "RateLimit-Policy", "RateLimit")
	try(router, "/?user=bob")
	try(router, "/?user=")
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

	team := func(c *gin.Context) string { return c.Param("team") }
	limit, err := ginlimit.NewAll([]ginlimit.Limit{
		{Name: "second", Limiter: second, Identity: team},
		{Name: "day", Limiter: day, Identity: team, Cost: func(c *gin.Context) int64 {
			if c.FullPath() == "/:team/report" {
				return 600
			}
			return 1
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	router := gin.New()
	router.Use(limit)
	router.GET("/:team", func(c *gin.Context) { c.String(http.StatusOK, "Hello.") })
	router.GET("/:team/report", func(c *gin.Context) { c.String(http.StatusOK, "A report.") })
	try(router, "/red/report", "RateLimit-Policy")
	try(router, "/red/report")
	try(router, "/red")
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
	identity := ginlimit.HTTP(httplimit.First(key, httplimit.Peer))
	router := gin.New()
	router.GET("/", func(c *gin.Context) { c.String(http.StatusOK, identity(c)) })
	try(router, "/")
	// Output:
	// 200 first1:ip:192.0.2.1
}

func ExampleWithHandler() {
	redis := newRedis()
	defer redis.Close()
	limiter := must(ratelimit.New(redis, tokenbucket.Limit{Rate: 1, Period: time.Minute}))

	limit, err := ginlimit.New(limiter, ginlimit.HTTP(httplimit.Peer), ginlimit.WithHandler(httplimit.Denied,
		func(c *gin.Context, d httplimit.Decision) {
			c.JSON(d.Outcome.Status(), gin.H{"error": "slow down", "seconds": d.RetryAfter.Seconds()})
		}))
	if err != nil {
		log.Fatal(err)
	}
	router := gin.New()
	router.GET("/", limit, func(c *gin.Context) { c.String(http.StatusOK, "Hello.") })
	try(router, "/")
	try(router, "/", "Retry-After")
	// Output:
	// 200 Hello.
	// 429 {"error":"slow down","seconds":60}
	//   Retry-After: 60
}

func ExampleWithSkip() {
	redis := newRedis()
	defer redis.Close()
	limiter := must(ratelimit.New(redis, tokenbucket.Limit{Rate: 1, Period: time.Minute}))

	limit, err := ginlimit.New(limiter, ginlimit.HTTP(httplimit.Peer),
		ginlimit.WithSkip(func(c *gin.Context) bool { return c.FullPath() == "/healthz" }))
	if err != nil {
		log.Fatal(err)
	}
	router := gin.New()
	router.Use(limit)
	router.GET("/", func(c *gin.Context) { c.String(http.StatusOK, "Hello.") })
	router.GET("/healthz", func(c *gin.Context) { c.String(http.StatusOK, "Well.") })
	try(router, "/")
	try(router, "/healthz")
	// Output:
	// 200 Hello.
	// 200 Well.
}

func ExampleFromContext() {
	redis := newRedis()
	defer redis.Close()
	limiter := must(ratelimit.New(redis, tokenbucket.Limit{Rate: 5, Period: time.Minute}))

	limit, err := ginlimit.New(limiter, ginlimit.HTTP(httplimit.Peer), ginlimit.WithContext())
	if err != nil {
		log.Fatal(err)
	}
	router := gin.New()
	router.GET("/", limit, func(c *gin.Context) {
		if d, ok := ginlimit.FromContext(c); ok {
			c.String(http.StatusOK, "%d more.", d.Result.Remaining)
		}
	})
	try(router, "/")
	// Output:
	// 200 4 more.
}

func ExampleFirst() {
	team := func(c *gin.Context) string { return c.Param("team") }
	first := ginlimit.First(team, ginlimit.HTTP(httplimit.Peer))
	all := ginlimit.All(team, ginlimit.HTTP(httplimit.Peer))
	router := gin.New()
	router.GET("/teams/:team", func(c *gin.Context) { c.String(http.StatusOK, "%s, %s", first(c), all(c)) })
	try(router, "/teams/red")
	// Output:
	// 200 first0:red, all:3:red12:ip:192.0.2.1
}
