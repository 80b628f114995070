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
	"github.com/distributed-rate-limiter/ratelimit/internal/waiting"
)

// guard decides calls, at a server or at a client.
type guard struct {
	config
	limits []Limit
	joint  *ratelimit.Joint
	lines  waiting.Lines // of a client's waiting calls
}

func newGuard(limits []Limit) (*guard, error) {
	g := &guard{config: config{noIdentity: codes.Unauthenticated}}
	var err error
	if g.limits, err = checkLimits(limits); err != nil {
		return nil, err
	}
	limiters := make([]*ratelimit.Limiter, len(limits))
	for i, limit := range limits {
		limiters[i] = limit.Limiter
	}
	g.joint, err = ratelimit.Join(limiters...)
	return g, err
}

// skipped reports whether the call is not limited at all.
func (g *guard) skipped(ctx context.Context, call Call) bool {
	for _, skip := range g.skips {
		if skip(ctx, call) {
			return true
		}
	}
	return false
}

// decide returns nil and nil if the call is let through. The error is a status, which is
// that of ctx if ctx has ended.
func (g *guard) decide(ctx context.Context, call Call) (*Denial, error) {
	var room [16]ratelimit.Part
	parts, free := room[:0], true
	for i := range g.limits {
		limit := &g.limits[i]
		n := limit.units(ctx, call)
		if n < 0 {
			return nil, status.Errorf(codes.InvalidArgument, "rate limit %q: the call would cost %d", limit.Name, n)
		}
		part := ratelimit.Part{Identity: "nobody", N: n} // if n is 0, the limit is only looked at, and for whom does not matter
		if n > 0 {
			part.Identity, free = limit.Identity(ctx, call), false
		}
		if part.Identity == "" {
			return g.unknown(call, limit, n), nil
		}
		parts = append(parts, part)
	}
	if free {
		return nil, nil
	}
	if len(parts) > 1 {
		return g.decideJointly(ctx, call, parts)
	}
	// Asking a single limiter costs less than asking a Joint.
	result, err := g.limits[0].Limiter.AllowN(ctx, parts[0].Identity, parts[0].N)
	if err != nil {
		return nil, failed(err)
	}
	if result.Allowed {
		return nil, nil
	}
	d := g.denial(call, result.RetryAfter, result.Degraded)
	d.add(&g.limits[0], parts[0], result)
	return d, nil
}

func (g *guard) decideJointly(ctx context.Context, call Call, parts []ratelimit.Part) (*Denial, error) {
	answer, err := g.joint.AllowN(ctx, parts...)
	if err != nil {
		return nil, failed(err)
	}
	if answer.Allowed {
		return nil, nil
	}
	d := g.denial(call, answer.RetryAfter, answer.Degraded)
	for i, result := range answer.Results {
		if !result.Allowed && parts[i].N > 0 {
			d.add(&g.limits[i], parts[i], result)
		}
	}
	return d, nil
}

// denial returns a Denial without violations.
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

// answer returns the error that a denied call ends with.
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
