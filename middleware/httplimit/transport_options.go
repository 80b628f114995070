package httplimit

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// TransportOption sets something of a [NewTransport] other than its default.
type TransportOption interface{ applyTransport(*transport) error }

type transportOption func(*transport) error

func (o transportOption) applyTransport(t *transport) error { return o(t) }

// WithWait has requests that are denied wait until they are allowed, for max at most,
// which must be above 0. The default is that they fail.
//
// A request fails at once, with its [*DeniedError], where it is known that it would
// wait for longer than max, or than its context's deadline lets it, or where no wait
// helps; and when Redis is away and the failure mode is closed. When its context ends
// it fails with an error that wraps the context's. It waits in its RoundTrip, so
// [http.Client]'s Timeout counts the wait.
//
// Requests of one identity wait in line, in the order in which they came: only the
// first asks the limiter, each time when the limiter had said that it should, so a
// thousand that wait load Redis as one does. They may wait for longer than the
// limiter had said when they came, since it does not know of those before them. Other
// processes have lines of their own, and a request that comes just when there are
// units is not held up by a line.
func WithWait(max time.Duration) TransportOption {
	return transportOption(func(t *transport) error {
		if max <= 0 {
			return fmt.Errorf("wait is %v: must be above 0", max)
		}
		t.wait = max
		return nil
	})
}

// WithTransportCost sets how many units a request takes; the default is 1. One that
// costs 0 is sent without asking, and one of less than 0 fails with
// [ratelimit.ErrN]. The function must not read the body.
func WithTransportCost(cost func(*http.Request) int64) TransportOption {
	return transportOption(func(t *transport) error {
		if cost == nil {
			return errors.New("transport cost is nil")
		}
		t.cost = cost
		return nil
	})
}
