package httplimit_test

import (
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
)

func ExampleNewTransport() {
	redis, err := embedded.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer redis.Close()
	redis.SetTime(redis.Now()) // stop its clock, for the sake of the output
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()

	limiter, err := ratelimit.New(redis, tokenbucket.Limit{Rate: 2, Period: time.Minute},
		ratelimit.WithNamespace("outgoing"))
	if err != nil {
		log.Fatal(err)
	}
	transport, err := httplimit.NewTransport(nil, limiter, httplimit.Host)
	if err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Transport: transport}
	defer client.CloseIdleConnections()

	for range 3 {
		response, err := client.Get(server.URL)
		var denied *httplimit.DeniedError
		if errors.As(err, &denied) {
			fmt.Println("not sent, retry after", denied.Result.RetryAfter)
			continue
		}
		if err != nil {
			log.Fatal(err)
		}
		response.Body.Close()
		fmt.Println(response.Status)
	}
	// Output:
	// 200 OK
	// 200 OK
	// not sent, retry after 30s
}

func ExampleWithWait() {
	redis, err := embedded.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer redis.Close()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()

	limiter, err := ratelimit.New(redis, tokenbucket.Limit{Rate: 100, Period: time.Second, Burst: 1})
	if err != nil {
		log.Fatal(err)
	}
	transport, err := httplimit.NewTransport(nil, limiter, httplimit.Host, httplimit.WithWait(10*time.Second))
	if err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Transport: transport}
	defer client.CloseIdleConnections()

	begin := time.Now()
	for range 5 {
		response, err := client.Get(server.URL)
		if err != nil {
			log.Fatal(err)
		}
		response.Body.Close()
	}
	fmt.Println("5 requests at 100 a second took 40 ms or more:", time.Since(begin) >= 40*time.Millisecond)
	// Output: 5 requests at 100 a second took 40 ms or more: true
}

func ExampleHost() {
	for _, link := range []string{"https://API.example.com:443/v1", "https://api.example.com./v2", "http://[2001:db8::1]:8080"} {
		r, err := http.NewRequest("GET", link, nil)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(httplimit.Host(r))
	}
	// Output:
	// host:api.example.com
	// host:api.example.com
	// host:[2001:db8::1]:8080
}

func ExampleWithTransportCost() {
	redis, err := embedded.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer redis.Close()
	redis.SetTime(redis.Now()) // stop its clock, for the sake of the output
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()

	limiter, err := ratelimit.New(redis, tokenbucket.Limit{Rate: 60, Period: time.Minute, Burst: 7})
	if err != nil {
		log.Fatal(err)
	}
	transport, err := httplimit.NewTransport(nil, limiter, httplimit.Host,
		httplimit.WithTransportCost(func(r *http.Request) int64 {
			if r.Method == http.MethodGet {
				return 1
			}
			return 5
		}))
	if err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Transport: transport}
	defer client.CloseIdleConnections()

	for range 2 {
		response, err := client.Post(server.URL, "text/plain", nil)
		var denied *httplimit.DeniedError
		if errors.As(err, &denied) {
			fmt.Println(denied)
			continue
		}
		if err != nil {
			log.Fatal(err)
		}
		response.Body.Close()
		fmt.Println(response.Status)
	}
	// Output:
	// 200 OK
	// httplimit: request is denied by its rate limit: retry after 3s
}
