// Otel is a web server that limits each client by its address, and writes its decisions to
// standard output as OpenTelemetry metrics and spans, in JSON. It needs nothing but Go:
//
//	go run ./examples/otel
//
// It uses an embedded Redis, or yours with -redis.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/examples/internal/serve"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	rlotel "github.com/distributed-rate-limiter/ratelimit/observe/otel"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

func main() { program(os.Stdout).Main() }

// program is a server that writes its telemetry to w.
func program(w io.Writer) serve.Program {
	return serve.Program{
		Name: "otel",
		Try:  "3 requests a minute. One too many:\n  curl '%s/?[1-4]'",
		Serve: func(ctx context.Context, redis store.Store, listener net.Listener) (err error) {
			to, err := report(w)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, to.end(context.WithoutCancel(ctx))) }()
			handler, err := newHandler(redis, to)
			if err != nil {
				return err
			}
			return serve.HTTP(ctx, listener, handler)
		},
	}
}

// newHandler returns a limited route that makes a span for each request.
func newHandler(redis store.Store, to *telemetry) (http.Handler, error) {
	metrics, err := rlotel.NewMetrics(to.meters)
	if err != nil {
		return nil, err
	}
	tracer, err := rlotel.NewTracer(to.tracers)
	if err != nil {
		return nil, err
	}
	limiter, err := ratelimit.New(redis, tokenbucket.Limit{Rate: 3, Period: time.Minute},
		ratelimit.WithNamespace("hello"),
		ratelimit.WithObserver(metrics),
		ratelimit.WithObserver(tracer),
	)
	if err != nil {
		return nil, err
	}
	limit, err := httplimit.New(limiter, httplimit.Peer)
	if err != nil {
		return nil, err
	}
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "Hello.") })
	return traced(to.tracers, limit(hello)), nil
}
