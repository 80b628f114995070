package httplimit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/internal/waiting"
)

// NewTransport returns an [http.RoundTripper] that asks limiter before each request
// that base sends, so that a whole fleet keeps to what a server allows it:
//
//	transport, err := httplimit.NewTransport(nil, limiter, httplimit.Host,
//		httplimit.WithWait(10*time.Second))
//	…
//	client := &http.Client{Transport: transport}
//
// A base of nil is [http.DefaultTransport]. The identity is whom a request is limited
// as: [Host], or any function, such as one that returns the API key which is used. A
// limiter that is shared with servers' middleware needs identities of another kind,
// as Host's are.
//
// A request that is denied fails with a [*DeniedError], and one that the limiter's
// failure mode denies, Redis being away, with [ErrUnavailable]; an identity of "" with
// [ratelimit.ErrIdentity]. Nothing was sent then. [http.Client] wraps these in a
// [net/url.Error]: use [errors.As] and [errors.Is]. With [WithWait] denied requests
// wait.
//
// Each request that comes to RoundTrip is asked for: that of a redirect too, which
// [http.Client] sends as another, by the identity of where it goes. What base sends
// again by itself, as [http.Transport] does where a connection that it had kept turns
// out to be closed, is not. What was taken for a request that then failed stays taken.
// A 429 or 503 of the server comes back as it is, with its Retry-After.
//
// It changes no request, is safe for concurrent use, and passes CloseIdleConnections
// on to base.
func NewTransport(base http.RoundTripper, limiter *ratelimit.Limiter, identity Identity, options ...TransportOption) (http.RoundTripper, error) {
	if base == nil {
		base = http.DefaultTransport
	}
	units, _ := limiter.Quota()
	switch v := reflect.ValueOf(base); {
	case (v.Kind() == reflect.Pointer || v.Kind() == reflect.Func) && v.IsNil():
		return nil, fmt.Errorf("httplimit: base is a nil %T", base)
	case units == 0:
		return nil, errors.New("httplimit: limiter is nil, or was not made by ratelimit.New")
	case identity == nil:
		return nil, errors.New("httplimit: identity is nil")
	}
	t := &transport{base: base, limiter: limiter, identity: identity}
	for _, option := range options {
		if option == nil {
			continue
		}
		if err := option.applyTransport(t); err != nil {
			return nil, fmt.Errorf("httplimit: %w", err)
		}
	}
	return t, nil
}

// transport is a RoundTripper before another one.
type transport struct {
	base     http.RoundTripper
	limiter  *ratelimit.Limiter
	identity Identity
	cost     func(*http.Request) int64 // nil: 1
	wait     time.Duration             // 0: requests that are denied do not wait
	lines    waiting.Lines
}

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := t.admit(r); err != nil {
		if r.Body != nil { // a RoundTripper closes it, also where it fails
			r.Body.Close()
		}
		return nil, err
	}
	return t.base.RoundTrip(r)
}

// CloseIdleConnections is what [http.Client] looks for in a transport.
func (t *transport) CloseIdleConnections() {
	if base, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// admit returns nil if r may be sent.
func (t *transport) admit(r *http.Request) error {
	n := int64(1)
	if t.cost != nil {
		if n = t.cost(r); n == 0 {
			return nil
		}
	}
	identity := t.identity(r)
	denied, err := t.ask(r.Context(), identity, n)
	if denied != nil && t.wait > 0 {
		denied, err = t.await(r.Context(), identity, denied)
	}
	if denied != nil {
		return denied
	}
	return err
}

// ask asks the limiter. It returns a limit's denial apart from other errors, since that
// may be worth a wait.
func (t *transport) ask(ctx context.Context, identity string, n int64) (*DeniedError, error) {
	result, err := t.limiter.AllowN(ctx, identity, n)
	switch {
	case err != nil:
		return nil, &unansweredError{err}
	case result.Allowed:
		return nil, nil
	case result.Degraded && result.RetryAfter != algorithm.Never:
		return nil, ErrUnavailable
	}
	return &DeniedError{N: n, Result: result}, nil
}
