package fiberlimit_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"time"

	"github.com/gofiber/fiber/v3"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/middleware/fiberlimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
)

func hello(c fiber.Ctx) error { return c.SendString("Hello.") }

// newRedis returns an embedded Redis whose clock stands still, so that the output is
// always the same.
func newRedis() *embedded.Redis {
	redis := must(embedded.Start())
	redis.SetTime(redis.Now().Truncate(time.Hour))
	return redis
}

// try sends a request, and prints the status of the response and those of the fields that
// it has.
func try(app *fiber.App, path string, change func(*http.Request), fields ...string) {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if change != nil {
		change(r)
	}
	w := must(app.Test(r, fiber.TestConfig{Timeout: 5 * time.Second}))
	w.Body.Close()
	fmt.Println(w.StatusCode)
	for _, field := range fields {
		if value := w.Header.Get(field); value != "" {
			fmt.Printf("  %s: %s\n", field, value)
		}
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
	limit, err := fiberlimit.New(limiter, fiberlimit.Peer)
	if err != nil {
		log.Fatal(err)
	}

	app := fiber.New()
	app.Use(limit)
	app.Get("/", hello)
	for range 3 {
		try(app, "/", nil, "RateLimit-Policy", "Retry-After")
	}
	// Output:
	// 200
	//   RateLimit-Policy: "default";q=2;w=3600
	// 200
	//   RateLimit-Policy: "default";q=2;w=3600
	// 429
	//   RateLimit-Policy: "default";q=2;w=3600
	//   Retry-After: 1800
}

// Clients are limited by their API key or, if they have none, by the address that a proxy
// reports.
func ExampleNew() {
	redis := newRedis()
	defer redis.Close()
	limiter := must(ratelimit.New(redis, tokenbucket.Limit{Rate: 100, Period: time.Minute}))

	key := must(fiberlimit.Header("X-API-Key"))
	proxies := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/32")} // where app.Test connects from
	address := must(fiberlimit.Address(httplimit.Address{Trusted: proxies}))
	limit := must(fiberlimit.New(limiter, fiberlimit.First(key, address),
		fiberlimit.WithHeaders(httplimit.HeadersX),
		fiberlimit.WithSkip(func(c fiber.Ctx) bool { return c.Path() == "/healthz" }),
	))

	app := fiber.New()
	app.Use(limit)
	app.Get("/", hello)
	app.Get("/healthz", hello)
	const remaining = "X-RateLimit-Remaining"
	try(app, "/", func(r *http.Request) { r.Header.Set("X-API-Key", "alice") }, remaining)
	try(app, "/", func(r *http.Request) { r.Header.Set("X-API-Key", "alice") }, remaining)
	try(app, "/", func(r *http.Request) { r.Header.Set("X-Forwarded-For", "203.0.113.9") }, remaining)
	try(app, "/healthz", nil, remaining)
	// Output:
	// 200
	//   X-RateLimit-Remaining: 99
	// 200
	//   X-RateLimit-Remaining: 98
	// 200
	//   X-RateLimit-Remaining: 99
	// 200
}

// Two requests a second and three a day. A request is charged to both limits or to
// neither.
func ExampleNewAll() {
	redis := newRedis()
	defer redis.Close()
	second := must(ratelimit.New(redis, tokenbucket.Limit{Rate: 2, Period: time.Second}, ratelimit.WithNamespace("{api}second")))
	day := must(ratelimit.New(redis, tokenbucket.Limit{Rate: 3, Period: 24 * time.Hour}, ratelimit.WithNamespace("{api}day")))
	limit := must(fiberlimit.NewAll([]fiberlimit.Limit{
		{Name: "second", Limiter: second, Identity: fiberlimit.Peer},
		{Name: "day", Limiter: day, Identity: fiberlimit.Peer},
	}))

	app := fiber.New()
	app.Get("/search", limit, hello)
	for range 3 {
		try(app, "/search", nil, "RateLimit", "Retry-After")
	}
	// Output:
	// 200
	//   RateLimit: "second";r=1;t=1, "day";r=2;t=28800
	// 200
	//   RateLimit: "second";r=0;t=1, "day";r=1;t=57600
	// 429
	//   RateLimit: "second";r=0;t=1, "day";r=1
	//   Retry-After: 1
}

// One limit for each user, whom an earlier handler has identified, with an answer of your
// own.
func ExampleWithHandler() {
	redis := newRedis()
	defer redis.Close()
	limiter := must(ratelimit.New(redis, tokenbucket.Limit{Rate: 1, Period: time.Minute}))

	authenticate := func(c fiber.Ctx) error {
		c.Locals("user", 42)
		return c.Next()
	}
	limit := must(fiberlimit.New(limiter, must(fiberlimit.Local("user", "user")),
		fiberlimit.WithHandler(httplimit.Denied, func(c fiber.Ctx, d httplimit.Decision) error {
			return c.Status(d.Outcome.Status()).JSON(fiber.Map{"wait": d.RetryAfter.Seconds()})
		})))

	app := fiber.New()
	app.Use(authenticate, limit)
	app.Get("/", hello)
	try(app, "/", nil)
	try(app, "/", nil, "Content-Type", "Retry-After")
	// Output:
	// 200
	// 429
	//   Content-Type: application/json; charset=utf-8
	//   Retry-After: 60
}

func ExampleFromContext() {
	redis := newRedis()
	defer redis.Close()
	limiter := must(ratelimit.New(redis, tokenbucket.Limit{Rate: 10, Period: time.Minute}))
	limit := must(fiberlimit.New(limiter, fiberlimit.Peer, fiberlimit.WithContext()))

	app := fiber.New()
	app.Get("/", limit, func(c fiber.Ctx) error {
		d, ok := fiberlimit.FromContext(c)
		fmt.Println(ok, d.Result.Remaining)
		return nil
	})
	try(app, "/", nil)
	// Output:
	// true 9
	// 200
}
