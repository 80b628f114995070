// Prometheus is a web server that limits each client by its address, and exports its
// decisions to Prometheus at /metrics. It needs nothing but Go:
//
//	go run ./examples/prometheus
//
// It uses an embedded Redis, or yours with -redis.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/examples/internal/serve"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	rlprometheus "github.com/distributed-rate-limiter/ratelimit/observe/prometheus"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

var program = serve.Program{
	Name: "prometheus",
	Try:  "3 requests a minute. One too many, and what was decided:\n  U=%s; curl \"$U/?[1-4]\"; curl $U/metrics",
	Serve: func(ctx context.Context, redis store.Store, listener net.Listener) error {
		handler, err := newHandler(redis)
		if err != nil {
			return err
		}
		return serve.HTTP(ctx, listener, handler)
	},
}

func main() { program.Main() }

// newHandler returns a handler with a limited route and with /metrics, which is not
// limited.
func newHandler(redis store.Store) (http.Handler, error) {
	observer, err := rlprometheus.New()
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	if err := registry.Register(observer); err != nil {
		return nil, err
	}
	limiter, err := ratelimit.New(redis, tokenbucket.Limit{Rate: 3, Period: time.Minute},
		ratelimit.WithNamespace("hello"),
		ratelimit.WithObserver(observer),
	)
	if err != nil {
		return nil, err
	}
	limit, err := httplimit.New(limiter, httplimit.Peer)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", limit(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "Hello.") })))
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return mux, nil
}
