package ratelimit_test

import (
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/slidingwindow"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
)

// The examples are what docs/migrating.md has after a migration.

// ownClient is a client as a program has one before it migrates, and a handler.
func ownClient() (*redis.Client, http.Handler, func()) {
	server, err := embedded.Start()
	if err != nil {
		log.Fatal(err)
	}
	server.SetTime(server.Now()) // stop its clock, for the sake of the output
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: true, DisableIdentity: true})
	next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	return client, next, func() { client.Close(); server.Close() }
}

func Example_fromRedisRate() {
	client, _, stop := ownClient()
	defer stop()
	fmt.Println(afterRedisRate(client))
	// Output: <nil>
}

func afterRedisRate(client *redis.Client) error {
	limiter, err := ratelimit.New(goredis.New(client),
		tokenbucket.Limit{Rate: 100, Period: time.Minute})
	if err != nil {
		return err // the limit is invalid
	}

	res, err := limiter.Allow(ctx, "user:42")
	if err != nil {
		return err // ctx ended; Redis that fails is no error
	}
	if !res.Allowed {
		return fmt.Errorf("retry after %v", res.RetryAfter)
	}
	return nil
}

func Example_fromThrottled() {
	client, next, stop := ownClient()
	defer stop()
	handler, err := afterThrottled(client, next)
	if err != nil {
		log.Fatal(err)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	fmt.Println(w.Code, w.Header())
	// Output: 200 map[X-Ratelimit-Limit:[20] X-Ratelimit-Remaining:[19] X-Ratelimit-Reset:[1]]
}

func afterThrottled(client *redis.Client, next http.Handler) (http.Handler, error) {
	limiter, err := ratelimit.New(goredis.New(client),
		tokenbucket.Limit{Rate: 100, Period: time.Minute, Burst: 20}) // MaxBurst + 1
	if err != nil {
		return nil, err
	}

	res, err := limiter.Allow(ctx, "user:42")
	if err != nil {
		return nil, err
	}
	if !res.Allowed {
		return nil, fmt.Errorf("retry after %v", res.RetryAfter)
	}

	limit, err := httplimit.New(limiter, httplimit.Peer,
		httplimit.WithHeaders(httplimit.HeadersXDelta)) // or leave it out for RateLimit
	if err != nil {
		return nil, err
	}
	return limit(next), nil
}

func Example_fromUlule() {
	client, next, stop := ownClient()
	defer stop()
	handler, err := afterUlule(client, next)
	if err != nil {
		log.Fatal(err)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	fmt.Println(w.Code, w.Header().Get("X-RateLimit-Limit"), w.Header().Get("X-RateLimit-Remaining"))
	// Output: 200 100 99
}

func afterUlule(client *redis.Client, next http.Handler) (http.Handler, error) {
	limiter, err := ratelimit.New(goredis.New(client),
		slidingwindow.Limit{Rate: 100, Period: time.Minute})
	if err != nil {
		return nil, err // the limit is invalid; Redis may be down
	}

	res, err := limiter.Allow(ctx, "user:42")
	if err != nil {
		return nil, err
	}
	if !res.Allowed {
		return nil, fmt.Errorf("retry at %v", res.Now.Add(res.RetryAfter))
	}

	limit, err := httplimit.New(limiter, httplimit.Peer,
		httplimit.WithHeaders(httplimit.HeadersX))
	if err != nil {
		return nil, err
	}
	return limit(next), nil
}

func Example_fromHTTPRate() {
	client, next, stop := ownClient()
	defer stop()
	handler, err := afterHTTPRate(client, next)
	if err != nil {
		log.Fatal(err)
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-API-Key", "1234")
	handler.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Header().Get("X-RateLimit-Limit"), w.Header().Get("X-RateLimit-Remaining"))
	// Output: 200 100 99
}

func afterHTTPRate(client *redis.Client, next http.Handler) (http.Handler, error) {
	limiter, err := ratelimit.New(goredis.New(client),
		slidingwindow.Limit{Rate: 100, Period: time.Minute})
	if err != nil {
		return nil, err
	}
	byKey, err := httplimit.Header("X-API-Key") // Peer and Address are by address
	if err != nil {
		return nil, err
	}
	limit, err := httplimit.New(limiter, byKey,
		httplimit.WithHeaders(httplimit.HeadersX))
	if err != nil {
		return nil, err
	}
	return limit(next), nil
}

func Example_fromRate() {
	client, _, stop := ownClient()
	defer stop()
	fmt.Println(afterRate(client))
	// Output: <nil>
}

func afterRate(client *redis.Client) error {
	limiter, err := ratelimit.New(goredis.New(client),
		tokenbucket.Limit{Rate: 100, Period: time.Minute, Burst: 20},
		ratelimit.WithFailureMode(ratelimit.FailClosed))
	if err != nil {
		return err
	}

	res, err := limiter.Allow(ctx, "reports")
	if err != nil {
		return err
	}
	if !res.Allowed {
		return errors.New("too many")
	}
	return limiter.Wait(ctx, "reports")
}

func Example_fromRateTransport() {
	client, _, stop := ownClient()
	defer stop()
	waits, err := afterRateTransport(client)
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	response, err := waits.Get(server.URL)
	if err != nil {
		log.Fatal(err)
	}
	response.Body.Close()
	waits.CloseIdleConnections()
	fmt.Println(response.Status)
	// Output: 404 Not Found
}

func afterRateTransport(client *redis.Client) (*http.Client, error) {
	limiter, err := ratelimit.New(goredis.New(client),
		tokenbucket.Limit{Rate: 100, Period: time.Minute, Burst: 20},
		ratelimit.WithFailureMode(ratelimit.FailClosed))
	if err != nil {
		return nil, err
	}
	transport, err := httplimit.NewTransport(nil, limiter, httplimit.Host,
		httplimit.WithWait(10*time.Second))
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: transport}, nil
}
