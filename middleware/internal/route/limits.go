// Package route is what the middlewares of frameworks share: the limits of a route, and
// what options set. C is the type that a framework has for the context of a request. Each
// middleware adds how its framework goes on to the next handler.
package route

import (
	"context"
	"fmt"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/internal/asking"
)

// Limit is one limit of a route; see [httplimit.Limit].
type Limit[C any] struct {
	Name     string
	Limiter  *ratelimit.Limiter
	Identity func(C) string
	Cost     func(C) int64 // 1 if nil
}

// Limits are the limits of a route, and what options have set.
type Limits[C any] struct {
	*httplimit.Guard
	Config[C]
	asks []asking.Ask[C]
}

// New returns limits with the settings in config. The error says what is wrong.
func New[C any](all []Limit[C], config Config[C]) (*Limits[C], error) {
	policies := make([]httplimit.Policy, len(all))
	for i, l := range all {
		policies[i] = httplimit.Policy{Name: l.Name, Limiter: l.Limiter}
	}
	guard, err := httplimit.NewGuard(policies, config.guard...)
	if err != nil {
		return nil, err
	}
	asks := make([]asking.Ask[C], len(all))
	for i, l := range all {
		if l.Identity == nil {
			return nil, fmt.Errorf("limit %q: identity is nil", l.Name)
		}
		asks[i] = asking.Ask[C]{Identity: l.Identity, Cost: l.Cost}
	}
	return &Limits[C]{guard, config, asks}, nil
}

// Decide decides a request. ctx must be the request's.
func (l *Limits[C]) Decide(ctx context.Context, c C) httplimit.Decision {
	var room [4]ratelimit.Part
	return l.Guard.Decide(ctx, asking.Parts(room[:0], l.asks, c)...)
}
