package ratelimit_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/slidingwindow"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	"github.com/distributed-rate-limiter/ratelimit/observe"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
)

var (
	ctx  = context.Background()
	addr = "localhost:6379"
)

func Example() {
	server, err := embedded.Start() // or goredis.Open("redis://localhost:6379")
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	limit := tokenbucket.Limit{Rate: 100, Period: time.Minute, Burst: 2}
	limiter, err := ratelimit.New(server, limit,
		ratelimit.WithNamespace("myapp"),
		ratelimit.WithObserver(observe.Slog(nil)), // logs denials, and a Redis that fails
	)
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		res, err := limiter.Allow(ctx, "user:12345")
		fmt.Println(res.Allowed, res.Remaining, res.RetryAfter.Round(100*time.Millisecond), err)
	}
	// Output:
	// true 1 0s <nil>
	// true 0 0s <nil>
	// false 0 600ms <nil>
}

func ExampleNew() {
	limit := tokenbucket.Limit{Rate: 100, Period: time.Minute}

	client := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true})
	limiter, err := ratelimit.New(goredis.New(client), limit, ratelimit.WithNamespace("myapp"))
	fmt.Println(limiter, err)

	_, err = ratelimit.New(goredis.New(client), tokenbucket.Limit{Rate: -1, Period: time.Minute})
	fmt.Println(err)
	// Output:
	// ratelimit.Limiter(myapp:token_bucket) <nil>
	// ratelimit: tokenbucket: Rate is -1: must be at least 1
}

func ExampleWithFailureMode() {
	server, err := goredis.Open("redis://127.0.0.1:1") // nothing listens there
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	limit := tokenbucket.Limit{Rate: 100, Period: time.Minute}

	limiter, err := ratelimit.New(server, limit,
		ratelimit.WithFailureMode(ratelimit.FailClosed), // default: FailOpen
		ratelimit.WithTimeout(100*time.Millisecond),
		ratelimit.WithObserver(observe.Slog(nil)),
	)
	if err != nil {
		log.Fatal(err)
	}
	res, err := limiter.Allow(ctx, "user:12345")
	fmt.Println(res.Allowed, res.Degraded, err)
	// Output: false true <nil>
}

func ExampleLimiter_Ping() {
	server, err := goredis.Open("redis://127.0.0.1:1") // nothing listens there
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	log := log.New(os.Stdout, "", 0)

	limiter, err := ratelimit.New(server, tokenbucket.Limit{Rate: 100, Period: time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	if err := limiter.Ping(ctx); err != nil {
		log.Print(err) // Redis is down, or the URL or the password is wrong
	}
	// Output: ratelimit: ping: goredis: dial tcp 127.0.0.1:1: connect: connection refused
}

func ExampleLimiter_WithFailureMode() {
	server, err := goredis.Open("redis://127.0.0.1:1") // nothing listens there
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	limiter, err := ratelimit.New(server, tokenbucket.Limit{Rate: 100, Period: time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	login := limiter.WithFailureMode(ratelimit.FailClosed)

	read, _ := limiter.Allow(ctx, "user:12345")
	logIn, _ := login.Allow(ctx, "user:12345")
	fmt.Println(read.Allowed, logIn.Allowed)
	// Output: true false
}

func ExampleNew_cluster() {
	cluster, err := goredis.Open("redis://node1:6379?addr=node2:6379", goredis.WithCluster())
	if err != nil {
		log.Fatal(err)
	}
	defer cluster.Close()
	fmt.Println(ratelimit.New(cluster, slidingwindow.Limit{Rate: 100, Period: time.Minute}))
	// Output: ratelimit.Limiter(ratelimit:sliding_window) <nil>
}

func ExampleLimiter_AllowN() {
	server, err := embedded.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	limiter, err := ratelimit.New(server, slidingwindow.Log{Rate: 10, Period: time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	for _, n := range []int64{6, 5, 4, 11} {
		res, err := limiter.AllowN(ctx, "tenant:7", n)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(n, res.Allowed, res.Remaining, res.RetryAfter == algorithm.Never)
	}
	// Output:
	// 6 true 4 false
	// 5 false 4 false
	// 4 true 0 false
	// 11 false 0 true
}

func Example_webServer() {
	server, err := embedded.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	limiter, err := ratelimit.New(server, tokenbucket.Limit{Rate: 1, Period: time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "Hello.") })

	byPeer, err := httplimit.New(limiter, httplimit.Peer)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", byPeer(handler))

	for range 2 {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		fmt.Println(w.Code)
	}
	// Output:
	// 200
	// 429
}

func Example_observers() {
	server, err := embedded.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	limit := tokenbucket.Limit{Rate: 1, Period: time.Minute}
	logger := slog.New(slog.DiscardHandler)

	top, err := observe.NewTop()
	if err != nil {
		log.Fatal(err)
	}
	limiter, err := ratelimit.New(server, limit,
		ratelimit.WithObserver(observe.Slog(logger)),
		ratelimit.WithObserver(top),
	)
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		if _, err := limiter.Allow(ctx, "user:12345"); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(top)
	// Output: [{"namespace":"ratelimit","algorithm":"token_bucket","denied":2,"identities":[{"identity":"4e95b893bbbb7c28820bbe7a1cf8dfb6","denied":2,"error":0}]}]
}

func ExampleJoin() {
	server, err := embedded.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	second, err := ratelimit.New(server, tokenbucket.Limit{Rate: 2, Period: time.Second}, ratelimit.WithNamespace("{api}second"))
	if err != nil {
		log.Fatal(err)
	}
	day, err := ratelimit.New(server, slidingwindow.Limit{Rate: 1000, Period: 24 * time.Hour}, ratelimit.WithNamespace("{api}day"))
	if err != nil {
		log.Fatal(err)
	}
	both, err := ratelimit.Join(second, day)
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		res, err := both.Allow(ctx, "user:12345")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(res.Allowed, res.Denied, res.Results[0].Remaining, res.Results[1].Remaining)
	}
	// Output:
	// true -1 1 999
	// true -1 0 998
	// false 0 0 998
}

func ExampleLimiter_Peek() {
	server, err := embedded.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	server.SetTime(time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)) // its clock stands still
	limiter, err := ratelimit.New(server, tokenbucket.Limit{Rate: 10, Period: time.Second})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := limiter.AllowN(ctx, "user:1", 10); err != nil {
		log.Fatal(err)
	}
	for range 2 {
		res, err := limiter.Peek(ctx, "user:1")
		fmt.Println(res.Allowed, res.Remaining, res.RetryAfter, res.ResetAfter, err)
	}
	server.Advance(250 * time.Millisecond)
	res, err := limiter.Peek(ctx, "user:1")
	fmt.Println(res.Allowed, res.Remaining, res.ResetAt().UTC().Format(time.RFC3339Nano), err)
	// Output:
	// false 0 100ms 1s <nil>
	// false 0 100ms 1s <nil>
	// true 2 2026-07-01T12:00:01Z <nil>
}

// To limit failed logins, take a unit before each attempt, and forget them after a success.
// (A Peek before and an Allow after a failure would let through as many guesses at once as
// an attacker can send before the first of them fails.)
func ExampleLimiter_Reset() {
	server, err := embedded.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	limiter, err := ratelimit.New(server, slidingwindow.Log{Rate: 3, Period: time.Hour},
		ratelimit.WithNamespace("login"),
		ratelimit.WithFailureMode(ratelimit.FailClosed),
	)
	if err != nil {
		log.Fatal(err)
	}
	login := func(user, password string) string {
		res, err := limiter.Allow(ctx, user)
		if err != nil {
			return err.Error()
		}
		if !res.Allowed {
			return "too many attempts"
		}
		if password != "correct horse" {
			return "wrong password"
		}
		if err := limiter.Reset(ctx, user); err != nil {
			log.Print(err) // the attempts count for another hour, no more
		}
		return "welcome"
	}
	for _, password := range []string{"1234", "qwerty", "correct horse", "1", "2", "3", "correct horse"} {
		fmt.Println(login("ada", password))
	}
	// Output:
	// wrong password
	// wrong password
	// welcome
	// wrong password
	// wrong password
	// wrong password
	// too many attempts
}

// A new secret makes every identity a fresh one. While both limiters are asked, no
// one gets more than before.
func ExampleWithIdentityKey_rotation() {
	server, err := embedded.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	limit := tokenbucket.Limit{Rate: 3, Period: time.Hour}
	before, err := ratelimit.New(server, limit, ratelimit.WithIdentityKey([]byte("the secret until today")))
	if err != nil {
		log.Fatal(err)
	}
	after, err := ratelimit.New(server, limit, ratelimit.WithIdentityKey([]byte("the secret from now on")))
	if err != nil {
		log.Fatal(err)
	}

	identity := "user:12345"
	if _, err := before.AllowN(ctx, identity, 2); err != nil { // before the change
		log.Fatal(err)
	}
	for range 2 {
		// Both count what is let through; no one gets more than either allows.
		res, err := before.Allow(ctx, identity) // with the old secret
		if err == nil && res.Allowed {
			res, err = after.Allow(ctx, identity) // with the new one
		}
		fmt.Println(res.Allowed, err)
	}
	res, err := after.Peek(ctx, identity)
	fmt.Println(res.Remaining, err)
	// Output:
	// true <nil>
	// false <nil>
	// 2 <nil>
}
