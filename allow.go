package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// Errors of calls that make no sense. Match them with [errors.Is].
var (
	// ErrIdentity reports that the identity is empty: requests without one must
	// not all share a limit.
	ErrIdentity = errors.New("ratelimit: identity is empty")
	// ErrN reports that n is negative.
	ErrN = errors.New("ratelimit: n is negative")
)

var (
	errNotMade = errors.New("ratelimit: limiter was not made by New")
	errGivenUp = errors.New("ratelimit: decision was given up")
)

// Allow takes one unit from what identity has, if it can. It is AllowN of 1.
func (l *Limiter) Allow(ctx context.Context, identity string) (Result, error) {
	return l.AllowN(ctx, identity, 1)
}

// AllowN takes n units from what identity has, all or none; a denial takes nothing. An
// identity is any non-empty text. An n above Result.Limit is denied with a RetryAfter of
// [algorithm.Never]; an n of 0 is a [Limiter.Peek].
//
// A Redis that does not decide in time is not an error: the [FailureMode] decides, and
// Result.Degraded is true. The error is non-nil only if identity is empty
// ([ErrIdentity]), n is negative ([ErrN]), ctx ended (it wraps [context.Canceled] or
// [context.DeadlineExceeded]), or the limiter was not made by [New]; the result is then
// the zero Result, a denial. If ctx ended during the call, it is unknown whether the
// units were taken. A deadline of ctx is kept; a cancellation is noticed within the
// limiter's timeout at the latest.
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

// undecided answers a call that Redis did not decide, for the given reason. If the
// caller's context is over, that is the failure instead, and the error of the call.
func (l *Limiter) undecided(ctx context.Context, n int64, because error) (result Result, failure, err error) {
	if err := givenUp(ctx); err != nil {
		return Result{}, err, err
	}
	return l.degraded(n), because, nil
}

// event is a call that began at start.
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

// Peek tells where identity stands. It takes nothing and writes nothing. Allowed
// and RetryAfter of its result are those of a request for one unit. Its errors
// are those of [Limiter.AllowN].
func (l *Limiter) Peek(ctx context.Context, identity string) (Result, error) {
	return l.AllowN(ctx, identity, 0)
}

var resetScript = store.NewScript("reset", "return {redis.call('DEL', KEYS[1])}\n")

// Reset forgets what identity has taken. It decides nothing, so no failure mode stands
// in for it: its error is non-nil if identity is empty ([ErrIdentity]), or if Redis did
// not say within the limiter's timeout that it is done. It may be done all the same. It
// asks even while the breaker is open.
func (l *Limiter) Reset(ctx context.Context, identity string) error {
	if err := l.check(identity, 0); err != nil {
		return err
	}
	sum := l.keys.hash(identity)
	limited := l.deadlines.Within(ctx, l.timeout)
	defer limited.End()
	if _, err := l.run(limited, resetScript, []string{l.keys.key(&sum)}, nil); err != nil {
		return fmt.Errorf("ratelimit: reset: %w", err)
	}
	return nil
}

// Ping asks Redis for a decision that takes nothing, and returns nil if there was one
// within the limiter's timeout, otherwise why not; no failure mode stands in for it. So a
// service can find out at its start, or in a readiness check, what would otherwise only
// show in Degraded results: a wrong URL or password, a Redis that is down. It asks even
// while the breaker is open. It writes nothing, so it does not notice that the user lacks
// the right to write. On a Cluster it asks one node.
func (l *Limiter) Ping(ctx context.Context) error {
	if l == nil || l.program == nil {
		return errNotMade
	}
	nobody := l.keys.hash("")
	b := l.breakers.of(l.partitions.find(l.keys.key(&nobody)))
	if err := l.look(ctx, b, &nobody); err != nil {
		return fmt.Errorf("ratelimit: ping: %w", err)
	}
	return nil
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

// ended returns why the caller's context is over, or nil. A connection that has
// the context's deadline may report it before the context does.
func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if at, ok := ctx.Deadline(); ok && !time.Now().Before(at) {
		return context.DeadlineExceeded
	}
	return nil
}

// givenUp returns the error of a call whose context is over, or nil.
func givenUp(ctx context.Context) error {
	if cause := ended(ctx); cause != nil {
		return fmt.Errorf("%w: %w", errGivenUp, cause)
	}
	return nil
}

// decide asks Redis. A caller that waits for the answer may wake on another core, which
// then fetches its stack, one cache line after another. So there are few frames, and small
// ones, between AllowN and where it waits.
func (l *Limiter) decide(ctx context.Context, identity string, n int64) (algorithm.Outcome, int64, error) {
	if err := ctx.Err(); err != nil {
		return algorithm.Outcome{}, 0, err
	}
	if l.batcher == nil {
		return l.alone(ctx, l.keys.hash(identity), n)
	}
	c := l.newCall(l.keys.hash(identity), n)
	q := l.batcher.queue(l, c)
	if err := l.breakers.of(c.partition).refuse(&c.sum); err != nil {
		l.free(c)
		return algorithm.Outcome{}, 0, err
	}
	switch at, f := q.join(c); at {
	case runsItself:
		return l.leadAlone(ctx, q, f, c)
	case laneFull:
		l.free(c)
		return algorithm.Outcome{}, 0, ErrOverloaded
	}
	return l.await(ctx, c)
}

// alone decides in a run of its own.
func (l *Limiter) alone(ctx context.Context, s sum, n int64) (out algorithm.Outcome, now int64, err error) {
	key := l.keys.key(&s)
	b := l.breakers.of(l.partitions.find(key))
	if err := b.refuse(&s); err != nil {
		return out, 0, err
	}
	r := rooms.Get().(*room)
	r.keys[0] = key
	r.args = l.program.AppendParams(r.args[:0])
	if n == 1 { // as nearly always: one number less to send
		r.args = l.program.AppendOnes(r.args, 0)
	} else {
		r.args = l.program.AppendRequest(r.args, n, 0)
	}
	limited := l.deadlines.Within(ctx, l.timeout)
	defer limited.End()
	reply, err := l.run(limited, l.program.Script(), r.keys[:], r.args)
	if l.prompt { // otherwise the run may still use it
		rooms.Put(r)
	}
	l.report(ctx, b, &s, limited.Began(), err)
	if l.runObservers != nil {
		l.ran(ctx, 1, 1, limited.Began(), err)
	}
	if err == nil {
		err = l.program.CheckReply(reply, 1)
	}
	if err != nil {
		return out, 0, err
	}
	out, err = l.program.Outcome(reply, 0, 0)
	return out, l.program.Now(reply), err
}

// room is what the run of one decision needs.
type room struct {
	keys [1]string
	args []int64
}

var rooms = sync.Pool{New: func() any { return &room{args: make([]int64, 0, algorithm.MaxParams+2)} }}
