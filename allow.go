package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Errors of calls that make no sense. Match them with [errors.Is].
var (
	// ErrIdentity reports that the identity is empty: requests without one must
	// not all share a limit.
	ErrIdentity = errors.New("ratelimit: identity is empty")
	// ErrN reports that n is negative.
	ErrN = errors.New("ratelimit: n is negative")
)

var errNotMade = errors.New("ratelimit: limiter was not made by New")

// Allow takes one of identity's units, if there is one. It is AllowN with an n of 1.
func (l *Limiter) Allow(ctx context.Context, identity string) (Result, error) {
	return l.AllowN(ctx, identity, 1)
}

// AllowN takes n of identity's units, all or none; a denial takes nothing. An identity is any
// non-empty text. An n above Result.Limit is denied with a RetryAfter of [algorithm.Never];
// an n of 0 is a [Limiter.Peek].
//
// A Redis that does not decide in time is not an error: the [FailureMode] decides, and
// Result.Degraded is true. The error is non-nil only if identity is empty ([ErrIdentity]), n
// is negative ([ErrN]), ctx ended (it wraps [context.Canceled] or
// [context.DeadlineExceeded]), or the limiter was not made by [New]; the result is then the
// zero Result, a denial. If ctx ended during the call, it is unknown whether the units were
// taken. AllowN returns by ctx's deadline, but it may notice a cancellation only when the
// limiter's timeout is over.
func (l *Limiter) AllowN(ctx context.Context, identity string, n int64) (Result, error) {
	if err := l.check(identity, n); err != nil {
		return Result{}, err
	}
	if len(l.observers) > 0 {
		return l.observed(ctx, identity, n)
	}
	outcome, now, err := l.decide(ctx, identity, n)
	if err != nil {
		result, _, err := l.undecided(ctx, n, err)
		return result, err
	}
	return outcome.Result(l.plan.Limit, now), nil
}

// observed is AllowN with observers.
func (l *Limiter) observed(ctx context.Context, identity string, n int64) (result Result, err error) {
	start := time.Now()
	outcome, now, failure := l.decide(ctx, identity, n)
	if failure == nil {
		result = outcome.Result(l.plan.Limit, now)
	} else {
		result, failure, err = l.undecided(ctx, n, failure)
	}
	l.observe(ctx, l.event(identity, n, result, failure, start))
	return result, err
}

// undecided answers a call that Redis did not decide, for the given reason. If the caller's
// context is over, then that is the failure instead, and also the call's error.
func (l *Limiter) undecided(ctx context.Context, n int64, because error) (result Result, failure, err error) {
	if err := givenUp(ctx); err != nil {
		return Result{}, err, err
	}
	return l.degraded(n), because, nil
}

// event returns the event of a call that began at start.
func (l *Limiter) event(identity string, n int64, result Result, failure error, start time.Time) Event {
	return Event{
		Namespace: l.namespace,
		Algorithm: l.plan.Name,
		Identity:  NewIdentity(identity),
		N:         n,
		Result:    result,
		Err:       failure,
		Class:     classify(failure),
		Elapsed:   time.Since(start),
	}
}

// Peek reports where identity stands. It takes nothing and writes nothing. Allowed and
// RetryAfter of its result are those of a request for one unit. Its errors are those of
// [Limiter.AllowN].
func (l *Limiter) Peek(ctx context.Context, identity string) (Result, error) {
	return l.AllowN(ctx, identity, 0)
}

func (l *Limiter) check(identity string, n int64) error {
	switch {
	case l == nil || l.program == nil:
		return errNotMade
	case identity == "":
		return ErrIdentity
	case n < 0:
		return fmt.Errorf("%w: it is %d", ErrN, n)
	}
	return nil
}
