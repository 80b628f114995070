// Httpserver is a web server that limits its clients by the API key in the header
// X-API-Key, or by their address if there is none. It needs nothing but Go:
//
//	go run ./examples/httpserver
//
// It uses an embedded Redis, or yours with -redis; -h lists the flags.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/examples/internal/serve"
	"github.com/distributed-rate-limiter/ratelimit/observe"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
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
		fmt.Fprintln(stderr, "httpserver:", err)
		return code
	}
	var limit tokenbucket.Limit
	flags := flag.NewFlagSet("httpserver", flag.ContinueOnError)
	flags.SetOutput(stderr)
	addr := flags.String("addr", "127.0.0.1:8080", "address to listen at")
	url := flags.String("redis", "", "`URL` of a Redis, such as redis://localhost:6379; embedded if empty")
	flags.Int64Var(&limit.Rate, "rate", 5, "requests in each period")
	flags.DurationVar(&limit.Period, "period", 10*time.Second, "length of a period")
	flags.Int64Var(&limit.Burst, "burst", 0, "requests at once; rate if 0")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		return fail(2, fmt.Errorf("unexpected argument %q", flags.Arg(0)))
	}

	if *url == "" {
		redis, err := embedded.Start()
		if err != nil {
			return fail(1, err)
		}
		defer redis.Close()
		*url = redis.URL()
	}
	redis, err := goredis.Open(*url)
	if err != nil {
		return fail(2, fmt.Errorf("bad -redis: %w", err))
	}
	defer redis.Close()

	logger := slog.New(slog.NewTextHandler(stderr, nil))
	limiter, err := ratelimit.New(redis, limit,
		ratelimit.WithNamespace("httpserver"),
		ratelimit.WithFailureMode(ratelimit.FailOpen), // rather too many requests than none
		ratelimit.WithTimeout(time.Second),            // not 250 ms: go run may have left the machine busy
		ratelimit.WithObserver(observe.Slog(logger)),
	)
	if err != nil {
		return fail(2, fmt.Errorf("bad -rate, -period or -burst: %w", err))
	}
	handler, err := limited(limiter, http.HandlerFunc(hello))
	if err != nil {
		return fail(1, err)
	}

	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return fail(1, fmt.Errorf("bad -addr: %w", err))
	}
	fmt.Fprintf(stdout, "%T%+v on %v. One request too many:\n  curl -i -H 'X-API-Key: alice' 'http://%v/?[1-%d]'\n",
		limit, limit, redis, listener.Addr(), cmp.Or(limit.Burst, limit.Rate)+1)
	if err := serve.HTTP(ctx, listener, handler); err != nil {
		return fail(1, err)
	}
	return 0
}

func hello(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "Hello.") }
