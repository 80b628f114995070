// Prometheus is a web server that limits its clients, each by its address, and shows
// Prometheus what it decided at /metrics. It needs nothing but Go:
//
//	go run ./examples/prometheus
//
// It limits by an embedded Redis; -h lists the flags.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	rlprometheus "github.com/distributed-rate-limiter/ratelimit/observe/prometheus"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run serves until ctx ends. It returns the exit code: 0, 1 if it cannot serve,
// 2 if args are wrong.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fail := func(code int, err error) int {
		fmt.Fprintln(stderr, "prometheus:", err)
		return code
	}
	limit := tokenbucket.Limit{Rate: 5, Period: 10 * time.Second}
	flags := flag.NewFlagSet("prometheus", flag.ContinueOnError)
	flags.SetOutput(stderr)
	addr := flags.String("addr", "127.0.0.1:8080", "address to listen at")
	flags.Int64Var(&limit.Rate, "rate", limit.Rate, "requests in each period")
	flags.DurationVar(&limit.Period, "period", limit.Period, "length of a period")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		return fail(2, fmt.Errorf("unexpected argument %q", flags.Arg(0)))
	}

	redis, err := embedded.Start()
	if err != nil {
		return fail(1, err)
	}
	defer redis.Close()
	handler, err := newHandler(redis, limit)
	if err != nil {
		return fail(2, fmt.Errorf("bad -rate or -period: %w", err))
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return fail(1, fmt.Errorf("bad -addr: %w", err))
	}
	fmt.Fprintf(stdout, "%T%+v. One request too many, and what was decided:\n  curl 'http://%v/?[1-%d]'\n  curl http://%[3]v/metrics\n",
		limit, limit, listener.Addr(), limit.Rate+1)
	if err := serve(ctx, listener, handler); err != nil {
		return fail(1, err)
	}
	return 0
}

// newHandler returns a route that is limited, and /metrics, which is not.
func newHandler(s store.Store, limit tokenbucket.Limit) (http.Handler, error) {
	observer, err := rlprometheus.New()
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	if err := registry.Register(observer); err != nil {
		return nil, err
	}
	limiter, err := ratelimit.New(s, limit,
		ratelimit.WithNamespace("hello"),
		ratelimit.WithObserver(observer),
	)
	if err != nil {
		return nil, err
	}
	limited, err := httplimit.New(limiter, httplimit.Peer)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", limited(http.HandlerFunc(hello)))
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return mux, nil
}

func hello(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "Hello.") }

// serve serves until ctx ends, and then lets requests finish that are under way.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	finished := make(chan error, 1)
	context.AfterFunc(ctx, func() {
		finish, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
		defer cancel()
		finished <- server.Shutdown(finish)
	})
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-finished
}
