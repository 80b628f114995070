package ratelimit

import (
	"context"
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

func (l *Limiter) observe(ctx context.Context, e Event) {
	for _, o := range l.observers {
		notify(ctx, o, e)
	}
}

func notify(ctx context.Context, o Observer, e Event) {
	defer func() {
		if p := recover(); p != nil {
			report(ctx, o, p)
		}
	}()
	o.Observe(ctx, e)
}

// report logs a panic by its type alone: its text may have the identity in it.
// A logger that panics, which may be why the observer did, is left alone.
func report(ctx context.Context, o Observer, p any) {
	defer func() { _ = recover() }()
	slog.ErrorContext(ctx, "ratelimit: observer panicked", "observer", fmt.Sprintf("%T", o), "panic", fmt.Sprintf("%T", p))
}
