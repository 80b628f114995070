package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
)

// refill waits until a client that has nothing left is let through again. With the embedded
// Redis, which is local, this takes no time, because its clock can be moved.
func refill(ctx context.Context, limiter *ratelimit.Limiter, identity string, local *embedded.Redis, out io.Writer) error {
	now, err := limiter.Peek(ctx, identity)
	if err != nil {
		return err
	}
	ask := func(waited time.Duration) error {
		result, err := limiter.Allow(ctx, identity)
		if err != nil {
			return err
		}
		answer := "denied"
		if result.Allowed {
			answer = "allowed"
		}
		fmt.Fprintf(out, "%s asks again after %v: %s\n", identity, waited, answer)
		return nil
	}

	fmt.Fprintln(out)
	wait := now.RetryAfter
	switch {
	case local != nil && wait > 0:
		local.Advance(wait - time.Microsecond)
		if err := ask(wait - time.Microsecond); err != nil {
			return err
		}
		local.Advance(time.Microsecond)
	case wait <= 2*time.Second:
		time.Sleep(wait)
	default:
		fmt.Fprintf(out, "%s may ask again after %v, which is too long to wait for here\n", identity, wait)
		return nil
	}
	return ask(wait)
}
