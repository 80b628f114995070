package grpclimit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// guard decides calls, for either side.
type guard struct {
	config
	limits []Limit
}

func newGuard(limits []Limit) (*guard, error) {
	checked, err := checkLimits(limits)
	if err != nil {
		return nil, err
	}
	return &guard{limits: checked, config: config{noIdentity: codes.Unauthenticated}}, nil
}

// skipped tells whether the call is not limited at all.
func (g *guard) skipped(ctx context.Context, call Call) bool {
	for _, skip := range g.skips {
		if skip(ctx, call) {
			return true
		}
	}
	return false
}

// decide returns nil and nil where the call is let through. The error is a status:
// that of ctx where that has ended.
func (g *guard) decide(ctx context.Context, call Call) (*Denial, error) {
	limit := &g.limits[0]
	n, err := limit.units(ctx, call)
	if err != nil {
		return nil, failed(err)
	}
	if n == 0 {
		return nil, nil
	}
	identity := limit.Identity(ctx, call)
	if identity == "" {
		return g.unknown(call, limit, n), nil
	}
	result, err := limit.Limiter.AllowN(ctx, identity, n)
	if err != nil {
		return nil, failed(err)
	}
	if result.Allowed {
		return nil, nil
	}
	d := g.denial(call, result.RetryAfter, result.Degraded)
	d.Violations = []Violation{{Limit: limit.Name, Identity: ratelimit.NewIdentity(identity), Cost: n, Result: result}}
	return d, nil
}

// denial returns one without its violations.
func (g *guard) denial(call Call, retryAfter time.Duration, degraded bool) *Denial {
	d := &Denial{Call: call, Code: codes.ResourceExhausted, RetryAfter: retryAfter, plain: g.plain}
	if degraded && retryAfter != algorithm.Never {
		d.Code, d.RetryAfter = codes.Unavailable, unavailable
	}
	return d
}

// unknown returns the denial of a call whose identity is unknown to limit.
func (g *guard) unknown(call Call, limit *Limit, n int64) *Denial {
	return &Denial{Call: call, Code: g.noIdentity, Violations: []Violation{{Limit: limit.Name, Cost: n}}}
}

// answer returns what a denied call ends with.
func (g *guard) answer(ctx context.Context, d *Denial) error {
	if g.denied != nil {
		if err := g.denied(ctx, d); err != nil {
			return err
		}
	}
	return d
}

// failed returns the status of a call that could not be decided.
func failed(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return status.FromContextError(err).Err()
	}
	return status.Error(codes.Internal, fmt.Sprintf("grpclimit: %v", err))
}
