package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Observer is told of every decision. Package observe has some ready ones.
//
// Observe is called on the caller's goroutine after the decision, before the
// call returns, from any number of goroutines at once; so it must be safe for
// that, and fast. What it panics with never reaches the caller: it is reported
// to the default logger of log/slog, by its type.
type Observer interface {
	Observe(context.Context, Event)
}

// Event is one decision, or one that was given up. It may get further fields.
type Event struct {
	// Namespace and Algorithm name the limiter, as in its keys.
	Namespace, Algorithm string
	// Identity is whom it was about. Use it neither as a label nor in a log; it
	// does not print.
	Identity Identity
	// N is how many units were asked for; 0 for a Peek, which is no decision.
	N int64
	// Result is what the caller got.
	Result Result
	// Err is why Redis did not decide, or nil if it did. The caller saw it only
	// if Class is ClassCanceled.
	Err error
	// Class is the class of Err, "" if that is nil.
	Class ErrorClass
	// Elapsed is how long the call took.
	Elapsed time.Duration
}

// Decided tells whether e is a decision: neither a Peek, nor given up because the
// caller's own context ended.
func (e Event) Decided() bool { return e.N > 0 && e.Class != ClassCanceled }

// LimiterObserver is an ability that an [Observer] may have: [New] tells it of the
// limiter, before there is anything else to tell. So counters can begin at 0.
//
// What ObserveLimiter panics with is treated like what Observe does.
type LimiterObserver interface {
	ObserveLimiter(LimiterEvent)
}

// LimiterEvent is a limiter that was made. It may get further fields.
type LimiterEvent struct {
	// Namespace and Algorithm name the limiter, as in its keys.
	Namespace, Algorithm string
}

// BreakerObserver is an ability that an [Observer] may have: it is told when a
// breaker of the limiter opens, and when it closes again. See [WithoutBreaker].
//
// ObserveBreaker may be called from any goroutine, also one of a caller who waits
// for a decision. What it panics with is treated like what Observe does.
type BreakerObserver interface {
	ObserveBreaker(BreakerEvent)
}

// BreakerEvent is one change of a breaker. A limiter has one breaker; on a Cluster
// it has many, each for a range of hash slots. It may get further fields.
type BreakerEvent struct {
	// Namespace and Algorithm name the limiter, as in its keys.
	Namespace, Algorithm string
	// From and State are the breaker's states before and after.
	From, State BreakerState
	// Err is what the last run failed with, and Class its class, where the
	// breaker opens.
	Err   error
	Class ErrorClass
	// Elapsed is how long ago the breaker opened, where it does not just do so.
	Elapsed time.Duration
}

// RunObserver is an ability that an [Observer] may have: it is told of each run of
// the limiter's script, which takes the decisions of one caller or of many (see
// [WithoutBatching]).
//
// ObserveRun is called before those callers get to know, from any number of
// goroutines at once, and they wait for it. What it panics with is treated like
// what Observe does.
type RunObserver interface {
	ObserveRun(RunEvent)
}

// RunEvent is one run of the script, as it was given to the store: whether or not
// Redis got it, and once more where a Cluster refused it and it went again in parts.
// A [Joint]'s run is told of to each of its limiters, as one of one decision. Runs for
// no caller are not told of: a breaker's probes, and those of Reset. It may get further
// fields.
type RunEvent struct {
	// Namespace and Algorithm name the limiter, as in its keys.
	Namespace, Algorithm string
	// Decisions is how many calls it was for, Peeks included, and Keys of how many
	// identities; both at least 1.
	Decisions, Keys int
	// Err is why there was no reply, or nil, and Class its class.
	Err   error
	Class ErrorClass
	// Elapsed is how long it took, with the wait for its turn. Runs that went as one
	// pipeline took as long as all of it.
	Elapsed time.Duration
}

// BreakerState is what a breaker does.
type BreakerState string

// The states of a breaker.
const (
	// BreakerClosed: calls go to Redis.
	BreakerClosed BreakerState = "closed"
	// BreakerOpen: the failure mode decides at once; probes go to Redis.
	BreakerOpen BreakerState = "open"
	// BreakerHalfOpen: nobody had called for some seconds, so it is not known any
	// more how Redis is; calls go to Redis, and the first that gets no answer
	// opens the breaker.
	BreakerHalfOpen BreakerState = "half-open"
)

// tell tells observers of a breaker's change.
func (l *Limiter) tell(e BreakerEvent) {
	e.Namespace, e.Algorithm = l.namespace, l.plan.Name
	for _, o := range l.observers {
		if o, ok := o.(BreakerObserver); ok {
			notifyBreaker(o, e)
		}
	}
}

// ran tells observers of a run that began at start and ended with err. It is not
// called where there are none.
func (l *Limiter) ran(ctx context.Context, decisions, keys int, start time.Time, err error) {
	if errors.Is(err, ErrOverloaded) {
		return // nothing was sent
	}
	if err != nil {
		if gone := givenUp(ctx); gone != nil {
			err = gone
		}
	}
	e := RunEvent{
		Namespace: l.namespace,
		Algorithm: l.plan.Name,
		Decisions: decisions,
		Keys:      keys,
		Err:       err,
		Class:     classify(err),
		Elapsed:   time.Since(start),
	}
	for _, o := range l.runObservers {
		notifyRun(o, e)
	}
}

func (l *Limiter) observe(ctx context.Context, e Event) {
	for _, o := range l.observers {
		notify(ctx, o, e)
	}
}

func notify(ctx context.Context, o Observer, e Event) {
	defer survive(ctx, o)
	o.Observe(ctx, e)
}

func notifyBreaker(o BreakerObserver, e BreakerEvent) {
	defer survive(context.Background(), o)
	o.ObserveBreaker(e)
}

func notifyLimiter(o LimiterObserver, e LimiterEvent) {
	defer survive(context.Background(), o)
	o.ObserveLimiter(e)
}

func notifyRun(o RunObserver, e RunEvent) {
	defer survive(context.Background(), o)
	o.ObserveRun(e)
}

// survive, deferred, logs a panic by its type alone: its text may have the identity
// in it. A logger that panics, which may be why the observer did, is left alone.
func survive(ctx context.Context, o any) {
	p := recover()
	if p == nil {
		return
	}
	defer func() { _ = recover() }()
	slog.ErrorContext(ctx, "ratelimit: observer panicked", "observer", fmt.Sprintf("%T", o), "panic", fmt.Sprintf("%T", p))
}
