// Quickstart sends a burst of requests through a rate limiter, prints the results, and
// shows how units come back. It needs nothing but Go:
//
//	go run ./examples/quickstart
//
// It uses an embedded Redis, or yours with -redis; -h lists the flags.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/redis/go-redis/v9/logging"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/observe"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
)

func main() {
	logging.Disable() // go-redis logs each failed dial; here the observer's count is enough
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run returns the exit code: 0, 1 if Redis failed, 2 if args are wrong.
func run(args []string, stdout, stderr io.Writer) int {
	fail := func(code int, err error) int {
		fmt.Fprintln(stderr, "quickstart:", err)
		return code
	}
	settings, err := parse(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return fail(2, err)
	}

	var local *embedded.Redis // nil with -redis
	url := settings.url
	if url == "" {
		if local, err = embedded.Start(); err != nil {
			return fail(1, err)
		}
		defer local.Close()
		local.SetTime(local.Now()) // its clock stands still until we move it
		url = local.URL()
	}
	redis, err := open(settings.driver, url)
	if err != nil {
		return fail(2, fmt.Errorf("bad -redis: %w", err))
	}
	defer redis.Close()

	var counts observe.Counts
	limiter, err := ratelimit.New(redis, settings.limit,
		ratelimit.WithNamespace("quickstart"),
		ratelimit.WithTimeout(time.Second), // not 250 ms: go run may have left the machine busy
		ratelimit.WithObserver(&counts),
	)
	if err != nil {
		return fail(2, fmt.Errorf("bad -rate, -period or -burst: %w", err))
	}

	fmt.Fprintf(stdout, "%T%+v on %v\n\n", settings.limit, settings.limit, redis)
	err = demonstrate(context.Background(), limiter, local, stdout)
	if n := counts.Snapshot(); len(n.Errors) > 0 {
		err = errors.Join(fmt.Errorf(
			"not decided by Redis: %d requests were allowed and %d denied in degraded mode, for errors of class %v",
			n.DegradedAllowed, n.DegradedDenied, slices.Sorted(maps.Keys(n.Errors))), err)
	}
	if err != nil {
		return fail(1, err)
	}
	if local != nil {
		fmt.Fprint(stdout, "\nThis was an embedded Redis. To use a real one, which many processes can share:\n"+
			"  go run ./examples/quickstart -redis redis://localhost:6379\n")
	}
	return 0
}

// demonstrate shows a burst, and how units come back after it.
func demonstrate(ctx context.Context, limiter *ratelimit.Limiter, local *embedded.Redis, out io.Writer) error {
	clients := []*client{
		{identity: "user:alice", asked: 40},
		{identity: "user:bob", asked: 24},
		{identity: "user:carol", asked: 8},
	}
	forgotten := forget(ctx, limiter, clients)
	if err := burst(ctx, limiter, clients); err != nil {
		return err
	}
	if forgotten != nil { // Redis is down, but the burst was answered
		return forgotten
	}
	if err := table(ctx, limiter, clients, out); err != nil {
		return err
	}
	return refill(ctx, limiter, clients[0].identity, local, out)
}
