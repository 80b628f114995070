// Grpc is a gRPC server that limits its clients by the API key that they send, or by their
// address if they send none. It is also a client of that server, which limits itself. Both
// run in this one process, and talk over a socket. It needs nothing but Go:
//
//	go run ./examples/grpc
//
// It uses an embedded Redis, or yours with -redis; -h lists the flags. With -serve it is
// only the server, for clients of your own.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/observe"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run returns the exit code: 0, 1 if something failed, 2 if args are wrong.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fail := func(code int, err error) int {
		fmt.Fprintln(stderr, "grpc:", err)
		return code
	}
	var limit tokenbucket.Limit
	flags := flag.NewFlagSet("grpc", flag.ContinueOnError)
	flags.SetOutput(stderr)
	addr := flags.String("addr", "127.0.0.1:0", "address to listen at; a free port if that is 0")
	url := flags.String("redis", "", "`URL` of a Redis, such as redis://localhost:6379; embedded if empty")
	only := flags.Bool("serve", false, "serve, and send nothing")
	flags.Int64Var(&limit.Rate, "rate", 3, "calls in each period")
	flags.DurationVar(&limit.Period, "period", time.Second, "length of a period")
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

	options := []ratelimit.Option{
		ratelimit.WithTimeout(time.Second),            // not 250 ms: go run may have left the machine busy
		ratelimit.WithFailureMode(ratelimit.FailOpen), // rather too many calls than none
		ratelimit.WithObserver(observe.Slog(slog.New(slog.NewTextHandler(stderr, nil)))),
	}
	limiter, err := ratelimit.New(redis, limit, append(options, ratelimit.WithNamespace("grpc-server"))...)
	if err != nil {
		return fail(2, fmt.Errorf("bad -rate or -period: %w", err))
	}
	// The client's own limit is a tenth slower than the server's, and allows no burst. So
	// a careful client is not denied, however long its calls take to arrive.
	own := tokenbucket.Limit{Rate: limit.Rate, Period: limit.Period + limit.Period/10, Burst: 1}
	ownLimiter, err := ratelimit.New(redis, own, append(options, ratelimit.WithNamespace("grpc-client"))...)
	if err != nil {
		return fail(2, fmt.Errorf("bad -rate or -period: %w", err))
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return fail(1, fmt.Errorf("bad -addr: %w", err))
	}
	fmt.Fprintf(stdout, "%T%+v on %v, served at %v\n", limit, limit, redis, listener.Addr())

	if *only {
		err = serve(ctx, listener, limiter)
	} else {
		err = talk(ctx, listener, limiter, ownLimiter, int(limit.Rate)+1, stdout)
	}
	if err != nil {
		return fail(1, err)
	}
	return 0
}

// talk runs the server while the clients make their calls.
func talk(ctx context.Context, listener net.Listener, limiter, own *ratelimit.Limiter, calls int, out io.Writer) error {
	ctx, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- serve(ctx, listener, limiter) }()
	addr := listener.Addr().String()
	err := careless(ctx, addr, calls, out)
	if err == nil {
		err = careful(ctx, addr, own, calls, out)
	}
	stop()
	return errors.Join(err, <-served)
}
