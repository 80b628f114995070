package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/distributed-rate-limiter/ratelimit"
)

// client is a client whose requests are limited.
type client struct {
	identity        string
	asked           int
	allowed, denied atomic.Int64
}

// forget resets the clients, in case an earlier run has taken units.
func forget(ctx context.Context, limiter *ratelimit.Limiter, clients []*client) error {
	for _, c := range clients {
		if err := limiter.Reset(ctx, c.identity); err != nil {
			return err
		}
	}
	return nil
}

// burst sends the requests of all clients, as fast as 8 goroutines can.
func burst(ctx context.Context, limiter *ratelimit.Limiter, clients []*client) error {
	const workers = 8
	var group sync.WaitGroup
	errs := make([]error, workers)
	for worker := range workers {
		group.Go(func() {
			for _, c := range clients {
				for i := worker; i < c.asked; i += workers {
					result, err := limiter.Allow(ctx, c.identity)
					switch {
					case err != nil: // the call was given up; this never means that Redis is down
						errs[worker] = err
						return
					case result.Degraded: // Redis is down; the observer has counted it
						return
					case result.Allowed:
						c.allowed.Add(1)
					default:
						c.denied.Add(1)
					}
				}
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// table prints the state of each client.
func table(ctx context.Context, limiter *ratelimit.Limiter, clients []*client, out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "identity\tasked\tallowed\tdenied\tremaining\tretry after\treset")
	for _, c := range clients {
		now, err := limiter.Peek(ctx, c.identity) // takes nothing
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%s\t%s\n", c.identity, c.asked, c.allowed.Load(), c.denied.Load(),
			now.Remaining, in(now.RetryAfter), in(now.ResetAfter))
	}
	return w.Flush()
}

// in shows d to the millisecond, rounded up so that it is not too early.
func in(d time.Duration) string {
	if d == 0 {
		return "now"
	}
	return fmt.Sprint("in ", (d + time.Millisecond - 1).Truncate(time.Millisecond))
}
