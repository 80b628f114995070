package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Observer is told of every decision and of every Peek. Package observe has ready-made
// observers. An observer may have optional abilities: [LimiterObserver], [BreakerObserver],
// [RunObserver].
//
// Observe is called after the decision, on the caller's goroutine, before the call returns.
// It is called from any number of goroutines at once, so it must be safe for concurrent use,
// and fast. A panic in it never reaches the caller. The default logger of log/slog gets the
// type of the panic's value.
type Observer interface {
	Observe(context.Context, Event)
}

// Event describes one call: a decision, a Peek, or a call that was given up. Later versions
// may add fields.
type Event struct {
	// Namespace and Algorithm name the limiter, as in its keys.
	Namespace, Algorithm string
	// Identity is the identity that the call was for. It does not print. Use the text that it
	// reveals neither as a label nor in a log.
	Identity Identity
	// N is how many units were asked for; 0 for a Peek, which is no decision.
	N int64
	// Result is what the caller got.
	Result Result
	// Err is why Redis did not decide, or nil if it did. The caller saw it only
	// if Class is ClassCanceled.
	Err error
	// Class is the class of Err, or "" if Err is nil.
	Class ErrorClass
	// Elapsed is how long the call took.
	Elapsed time.Duration
}

// Decided reports whether e is a decision: neither a Peek, nor given up because the
// caller's own context ended.
func (e Event) Decided() bool { return e.N > 0 && e.Class != ClassCanceled }

// tell tells observers of a change of a breaker.
func (l *Limiter) tell(e BreakerEvent) {
	e.Namespace, e.Algorithm = l.namespace, l.plan.Name
	for _, o := range l.observers {
		if o, ok := o.(BreakerObserver); ok {
			notifyBreaker(o, e)
		}
	}
}

// ran tells observers of a run that began at start and ended with err. It is called only if
// there are such observers.
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

// survive must be deferred. It logs a panic by its type alone, because the panic's text may
// contain the identity. If the logger panics too, which may be why the observer did, survive
// ignores that.
func survive(ctx context.Context, o any) {
	p := recover()
	if p == nil {
		return
	}
	defer func() { _ = recover() }()
	slog.ErrorContext(ctx, "ratelimit: observer panicked", "observer", fmt.Sprintf("%T", o), "panic", fmt.Sprintf("%T", p))
}
