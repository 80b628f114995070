package httplimit

import (
	"fmt"
	"net/http"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/internal/asking"
)

// Limit is one limit of a route.
type Limit struct {
	// Name is what clients see of the limit; see [Policy]. The limits of a route must have
	// different names.
	Name string
	// Limiter decides.
	Limiter *ratelimit.Limiter
	// Identity returns the text that identifies the client; see [Identity].
	Identity Identity
	// Cost returns how many units a request takes; nil means 1. A request that takes 0
	// units from every limit passes without asking any. Where it takes 0, its identity may
	// be unknown: a request without an API key, for example, may cost 0 under the limit
	// for keys. A negative cost means that the cost is unknown, such as the ContentLength
	// of a body of unknown length; the request is then refused as [Invalid].
	Cost func(*http.Request) int64
}

// New returns a middleware with one limit, named "default". Every request takes one unit;
// for another cost or another name, use [NewAll]. The identity must not be nil. The error
// says what is wrong.
func New(limiter *ratelimit.Limiter, identity Identity, options ...Option) (func(http.Handler) http.Handler, error) {
	return NewAll([]Limit{{Name: "default", Limiter: limiter, Identity: identity}}, options...)
}

// NewAll returns a middleware with several limits, such as one per second and one per day.
// A request is let through only if all of them allow it; otherwise it is charged to none.
// It must be possible to join them with [ratelimit.Join]: they are on one store and in
// namespaces of their own, which on a Cluster share a hash tag. The error says what is
// wrong.
func NewAll(limits []Limit, options ...Option) (func(http.Handler) http.Handler, error) {
	m := &middleware{}
	for _, option := range options {
		if option == nil {
			continue
		}
		if err := option.apply(&m.config); err != nil {
			return nil, fmt.Errorf("httplimit: %w", err)
		}
	}
	policies := make([]Policy, len(limits))
	for i, l := range limits {
		policies[i] = Policy{l.Name, l.Limiter}
	}
	var err error
	if m.guard, err = newGuard(policies, m.guardConfig); err != nil {
		return nil, err
	}
	for _, l := range limits {
		if l.Identity == nil {
			return nil, fmt.Errorf("httplimit: limit %q: identity is nil", l.Name)
		}
		m.asks = append(m.asks, asking.Ask[*http.Request]{Identity: l.Identity, Cost: l.Cost})
	}
	return func(next http.Handler) http.Handler {
		if next == nil {
			next = http.DefaultServeMux
		}
		return &limited{m, next}
	}, nil
}

type middleware struct {
	config
	guard *Guard
	asks  []asking.Ask[*http.Request]
}

// limited is a handler behind a middleware.
type limited struct {
	*middleware
	next http.Handler
}

// ServeHTTP implements [http.Handler].
func (l *limited) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if l.skip != nil && l.skip(r) {
		l.next.ServeHTTP(w, r)
		return
	}
	d := l.decide(r)
	l.guard.SetHeader(w.Header(), d)
	if d.Outcome == Allowed {
		if !l.context || d.Name == "" {
			l.next.ServeHTTP(w, r)
			return
		}
		inner := r.WithContext(withDecision(r.Context(), &d))
		l.next.ServeHTTP(w, inner)
		r.Pattern = inner.Pattern // set by a ServeMux, for telemetry in outer handlers
		return
	}
	if handler := l.handlers[d.Outcome]; handler != nil {
		handler(w, r, d)
		return
	}
	l.guard.Refuse(w, r, d)
}

func (m *middleware) decide(r *http.Request) Decision {
	var room [4]ratelimit.Part
	return m.guard.Decide(r.Context(), asking.Parts(room[:0], m.asks, r)...)
}
