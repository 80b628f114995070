// Customclient limits through a go-redis client that it configures itself: with TLS,
// trusting a single certificate authority, and as a Redis user with no more permissions
// than needed. It needs nothing but Go, because it starts a server of its own:
//
//	go run ./examples/customclient
//
// To use your server instead, put the user's password into the environment:
//
//	REDIS_PASSWORD=… go run ./examples/customclient -redis localhost:6379 -ca ca.pem -user limiter
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/observe"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
)

func main() {
	logging.Disable() // go-redis logs each failed dial; here the observer is enough
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run returns the exit code: 0, 1 if Redis failed, 2 if args are wrong.
func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("customclient", flag.ContinueOnError)
	flags.SetOutput(stderr)
	addr := flags.String("redis", "", "`host:port` of a Redis that takes TLS; one of its own if empty")
	ca := flags.String("ca", "", "`file` of the authority that the server's certificate is of")
	user := flags.String("user", "default", "user of Redis, whose password is in REDIS_PASSWORD")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	fail := func(code int, err error) int {
		fmt.Fprintln(stderr, "customclient:", err)
		return code
	}

	var authority []byte
	var err error
	password := os.Getenv("REDIS_PASSWORD")
	if *addr == "" {
		own, err := startServer()
		if err != nil {
			return fail(1, err)
		}
		defer own.Close()
		*addr, *user, password, authority = own.Addr(), own.user, own.password, own.authority
	} else if authority, err = os.ReadFile(*ca); err != nil {
		return fail(2, fmt.Errorf("bad -ca: %w", err))
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return fail(2, fmt.Errorf("bad -ca: %q has no certificate", *ca))
	}

	client := redis.NewClient(&redis.Options{
		Addr:      *addr,
		Username:  *user,
		Password:  password,
		TLSConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		// What a limiter wants of a client:
		ContextTimeoutEnabled: true, // the client can keep to the limiter's timeout
		MaxRetries:            -1,   // if an attempt fails, the failure mode decides
		DialerRetries:         1,
		PoolSize:              8, // few runs are in flight at once
		// Turned off, because this user has no permission for the commands:
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	defer client.Close() // we made it: the store only borrows it

	var failure error
	limiter, err := ratelimit.New(goredis.New(client), tokenbucket.Limit{Rate: 3, Period: time.Hour},
		ratelimit.WithNamespace("customclient"),
		ratelimit.WithTimeout(2*time.Second), // the first call has to connect
		ratelimit.WithObserver(&observe.Hooks{OnError: func(_ context.Context, e ratelimit.Event) { failure = e.Err }}),
	)
	if err != nil {
		return fail(1, err)
	}
	fmt.Fprintf(stdout, "3 an hour, as user %s of %s, by TLS:\n", *user, *addr)
	for range 4 {
		result, err := limiter.Allow(context.Background(), "alice")
		if err = errors.Join(err, failure); err != nil {
			return fail(1, err)
		}
		fmt.Fprintf(stdout, "  allowed %-5v  remaining %d  retry after %v\n",
			result.Allowed, result.Remaining, result.RetryAfter.Round(time.Minute))
	}
	return 0
}
