package httplimit

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// TransportOption changes a default of [NewTransport].
type TransportOption interface{ applyTransport(*transport) error }

type transportOption func(*transport) error

func (o transportOption) applyTransport(t *transport) error { return o(t) }

// WithWait makes denied requests wait until they are allowed, for at most max, which must
// be above 0. By default they fail.
//
// A request fails at once, with its [*DeniedError], if it is known that it would wait
// longer than max or beyond its context's deadline, or that no wait helps. It also fails
// at once when Redis is away and the failure mode is closed. If its context ends while it
// waits, it fails with an error that wraps the context's. The wait happens in RoundTrip,
// so the Timeout of [http.Client] includes it.
//
// Requests of one identity wait in line, in the order in which they came. Only the first
// in line asks the limiter, each time after the wait that the limiter told it, so a
// thousand waiting requests load Redis as much as one does. A request may wait longer than
// the limiter first said, because the limiter does not know of the requests ahead of it.
// Each process has lines of its own, and a request that comes just when there are units
// does not queue.
func WithWait(max time.Duration) TransportOption {
	return transportOption(func(t *transport) error {
		if max <= 0 {
			return fmt.Errorf("wait is %v: must be above 0", max)
		}
		t.wait = max
		return nil
	})
}

// WithTransportCost sets how many units a request takes; the default is 1. A request that
// costs 0 is sent without asking the limiter. A negative cost fails with [ratelimit.ErrN].
// The function must not read the body.
func WithTransportCost(cost func(*http.Request) int64) TransportOption {
	return transportOption(func(t *transport) error {
		if cost == nil {
			return errors.New("transport cost is nil")
		}
		t.cost = cost
		return nil
	})
}
