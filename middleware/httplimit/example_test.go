package httplimit_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"time"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/slidingwindow"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
)

var hello = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "Hello.") })

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

// try sends a request, and prints the status of the response and those of the fields that
// it has.
func try(h http.Handler, r *http.Request, fields ...string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(w.Code)
	for _, field := range fields {
		if value := w.Header().Get(field); value != "" {
			fmt.Printf("  %s: %s\n", field, value)
		}
	}
}

func get(path string) *http.Request { return httptest.NewRequest(http.MethodGet, path, nil) }

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
	limit, err := httplimit.New(limiter, httplimit.Peer)
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(limit(hello)) // or http.ListenAndServe
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

func ExampleNew() {
	redis := newRedis()
	defer redis.Close()
	limiter := must(ratelimit.New(redis, tokenbucket.Limit{Rate: 2, Period: time.Minute}))

	limit, err := httplimit.New(limiter, httplimit.Peer)
	if err != nil {
		log.Fatal(err)
	}
	h := limit(hello)
	for range 3 {
		try(h, get("/"), "RateLimit-Policy", "RateLimit", "Retry-After")
	}

	_, err = httplimit.New(limiter, nil)
	fmt.Println(err)
	// Output:
	// 200
	//   RateLimit-Policy: "default";q=2;w=60
	//   RateLimit: "default";r=1;t=30
	// 200
	//   RateLimit-Policy: "default";q=2;w=60
	//   RateLimit: "default";r=0;t=60
	// 429
	//   RateLimit-Policy: "default";q=2;w=60
	//   RateLimit: "default";r=0;t=30
	//   Retry-After: 30
	// httplimit: limit "default": identity is nil
}

func ExampleNewAll() {
	redis := newRedis()
	defer redis.Close()
	second := must(ratelimit.New(redis, tokenbucket.Limit{Rate: 10, Period: time.Second}, ratelimit.WithNamespace("second")))
	day := must(ratelimit.New(redis, slidingwindow.Limit{Rate: 1000, Period: 24 * time.Hour}, ratelimit.WithNamespace("day")))

	limit, err := httplimit.NewAll([]httplimit.Limit{
		{Name: "second", Limiter: second, Identity: httplimit.Peer},
		{Name: "day", Limiter: day, Identity: httplimit.Peer, Cost: func(r *http.Request) int64 {
			if r.URL.Path == "/report" {
				return 600
			}
			return 1
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	h := limit(hello)
	try(h, get("/report"), "RateLimit-Policy")
	try(h, get("/report"))
	try(h, get("/"))
	// Output:
	// 200
	//   RateLimit-Policy: "second";q=10;w=1, "day";q=1000;w=86400
	// 429
	// 200
}

func ExampleAddress() {
	behind := httplimit.Address{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	identity, err := behind.Identity()
	if err != nil {
		log.Fatal(err)
	}
	r := get("/")
	r.RemoteAddr = "10.0.0.1:443"
	r.Header.Set("X-Forwarded-For", "198.51.100.1, 203.0.113.9, 10.0.0.2") // the first is the client's word
	fmt.Println(identity(r))
	r.RemoteAddr = "192.0.2.1:443" // no proxy of ours
	fmt.Println(identity(r))
	r.RemoteAddr = "[2001:db8:1:2:3:4:5:6]:443"
	fmt.Println(identity(r))
	// Output:
	// ip:203.0.113.9
	// ip:192.0.2.1
	// ip:2001:db8:1:2::/64
}

func ExampleAddress_Walk() {
	client, err := httplimit.Address{Hops: 1, Header: "Forwarded"}.Walk()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(client("10.0.0.1:443", []string{`for=198.51.100.1, for="[2001:db8::17]:4711";proto=https`}))
	// Output:
	// ip:2001:db8::/64
}

func ExamplePeer() {
	r := get("/")
	r.RemoteAddr = "203.0.113.9:4711"
	fmt.Println(httplimit.Peer(r))
	// Output:
	// ip:203.0.113.9
}

func ExampleHeader() {
	identity, err := httplimit.Header("X-API-Key")
	if err != nil {
		log.Fatal(err)
	}
	r := get("/")
	fmt.Printf("%q\n", identity(r))
	r.Header.Set("X-API-Key", "k1")
	fmt.Printf("%q\n", identity(r))
	// Output:
	// ""
	// "header:x-api-key:k1"
}

func ExampleBasicAuth() {
	r := get("/")
	r.SetBasicAuth("alice", "secret")
	fmt.Println(httplimit.BasicAuth(r))
	// Output:
	// user:alice
}

func ExampleContextValue() {
	type tenant struct{} // the key by which the middleware that authenticates puts it there
	identity, err := httplimit.ContextValue("tenant", tenant{})
	if err != nil {
		log.Fatal(err)
	}
	r := get("/")
	fmt.Println(identity(r.WithContext(context.WithValue(r.Context(), tenant{}, "acme"))))
	// Output:
	// value:tenant:acme
}

func ExampleFirst() {
	key, err := httplimit.Header("X-API-Key")
	if err != nil {
		log.Fatal(err)
	}
	identity := httplimit.First(key, httplimit.Peer)
	r := get("/")
	fmt.Println(identity(r))
	r.Header.Set("X-API-Key", "ip:192.0.2.1") // which is nobody's address
	fmt.Println(identity(r))
	// Output:
	// first1:ip:192.0.2.1
	// first0:header:x-api-key:ip:192.0.2.1
}

func ExampleAll() {
	identity := httplimit.All(httplimit.BasicAuth, httplimit.Peer)
	r := get("/")
	fmt.Printf("%q\n", identity(r))
	r.SetBasicAuth("alice", "secret")
	fmt.Printf("%q\n", identity(r))
	// Output:
	// ""
	// "all:10:user:alice12:ip:192.0.2.1"
}

func ExampleWithHeaders() {
	redis := newRedis()
	defer redis.Close()
	limiter := must(ratelimit.New(redis, tokenbucket.Limit{Rate: 2, Period: time.Minute}))

	limit, err := httplimit.New(limiter, httplimit.Peer, httplimit.WithHeaders(httplimit.HeadersXDelta))
	if err != nil {
		log.Fatal(err)
	}
	try(limit(hello), get("/"), "RateLimit", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
	// Output:
	// 200
	//   X-RateLimit-Limit: 2
	//   X-RateLimit-Remaining: 1
	//   X-RateLimit-Reset: 30
}

func ExampleWithHandler() {
	redis := newRedis()
	defer redis.Close()
	limiter := must(ratelimit.New(redis, tokenbucket.Limit{Rate: 1, Period: time.Minute}))

	limit, err := httplimit.New(limiter, httplimit.Peer, httplimit.WithHandler(httplimit.Denied,
		func(w http.ResponseWriter, r *http.Request, d httplimit.Decision) {
			w.WriteHeader(d.Outcome.Status())
			fmt.Fprintf(w, "Come back in %v.\n", d.RetryAfter)
		}))
	if err != nil {
		log.Fatal(err)
	}
	h := limit(hello)
	for range 2 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, get("/"))
		fmt.Print(w.Body)
	}
	// Output:
	// Hello.
	// Come back in 1m0s.
}

func ExampleWithSkip() {
	redis := newRedis()
	defer redis.Close()
	limiter := must(ratelimit.New(redis, tokenbucket.Limit{Rate: 1, Period: time.Minute}))

	limit, err := httplimit.New(limiter, httplimit.Peer,
		httplimit.WithSkip(func(r *http.Request) bool { return r.URL.Path == "/healthz" }))
	if err != nil {
		log.Fatal(err)
	}
	h := limit(hello)
	for _, path := range []string{"/", "/", "/healthz"} {
		try(h, get(path))
	}
	// Output:
	// 200
	// 429
	// 200
}

func ExampleFromContext() {
	redis := newRedis()
	defer redis.Close()
	limiter := must(ratelimit.New(redis, tokenbucket.Limit{Rate: 5, Period: time.Minute}))

	limit, err := httplimit.New(limiter, httplimit.Peer, httplimit.WithContext())
	if err != nil {
		log.Fatal(err)
	}
	h := limit(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d, ok := httplimit.FromContext(r.Context()); ok {
			fmt.Println(d.Outcome, d.Name, d.Result.Remaining)
		}
	}))
	try(h, get("/"))
	// Output:
	// allowed default 4
	// 200
}

func ExampleGuard() {
	redis := newRedis()
	defer redis.Close()
	limiter := must(ratelimit.New(redis, tokenbucket.Limit{Rate: 1, Period: time.Minute}))

	guard, err := httplimit.NewGuard([]httplimit.Policy{{Name: "default", Limiter: limiter}})
	if err != nil {
		log.Fatal(err)
	}
	for range 2 { // requests
		d := guard.Decide(context.Background(), ratelimit.Part{Identity: "user:alice", N: 1})
		response := map[string]string{}
		guard.SetFields(d,
			func(name string) string { return response[name] },
			func(name, value string) { response[name] = value })
		if d.Outcome == httplimit.Allowed {
			fmt.Println("let through,", response["Ratelimit"])
			continue
		}
		reply := guard.Reply(d, "text/plain")
		fmt.Println(reply.Status, response["Retry-After"], reply.Body)
	}
	// Output:
	// let through, "default";r=0;t=60
	// 429 60 too many requests
}
