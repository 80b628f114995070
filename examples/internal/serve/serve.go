// Package serve has what the serving examples share: flags, a Redis, and a shutdown that
// waits for requests in flight.
package serve

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

	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
)

// Program is an example that serves.
type Program struct {
	// Name is what the program is called.
	Name string
	// Try tells how to try the program. In it, %s stands for the server's URL.
	Try string
	// Serve serves until ctx ends.
	Serve func(ctx context.Context, redis store.Store, listener net.Listener) error
}

// Main runs the program until it is interrupted.
func (p Program) Main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(p.Run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// Run runs the program until ctx ends. It returns the exit code: 0, 1 if it cannot
// serve, 2 if args are wrong.
func (p Program) Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fail := func(code int, err error) int {
		fmt.Fprintf(stderr, "%s: %v\n", p.Name, err)
		return code
	}
	flags := flag.NewFlagSet(p.Name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	addr := flags.String("addr", "127.0.0.1:8080", "address to listen at")
	url := flags.String("redis", "", "`URL` of a Redis, such as redis://localhost:6379; embedded if empty")
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

	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return fail(1, fmt.Errorf("bad -addr: %w", err))
	}
	defer listener.Close()
	fmt.Fprintf(stdout, p.Try+"\n", "http://"+listener.Addr().String())
	if err := p.Serve(ctx, redis, listener); err != nil {
		return fail(1, err)
	}
	return 0
}

// Grace is how long requests in flight have to finish at the end.
const Grace = 15 * time.Second

// HTTP serves a handler until ctx ends. Then it lets requests in flight finish.
func HTTP(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       time.Minute,
	}
	return Until(ctx, func() error { return server.Serve(listener) }, server.Shutdown)
}

// Until serves until ctx ends. Then it shuts down, and returns when shutdown does.
func Until(ctx context.Context, serve func() error, shutdown func(context.Context) error) error {
	failed := make(chan error, 1)
	go func() { failed <- serve() }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	finish, cancel := context.WithTimeout(context.WithoutCancel(ctx), Grace)
	defer cancel()
	return shutdown(finish)
}
