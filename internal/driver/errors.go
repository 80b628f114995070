// Package driver is what the drivers of this module share. Among other things, it gives the
// errors of a Redis client the form that store.Store prescribes.
package driver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// Wrap returns err, which a client returned for a run with ctx, in the form that rule 5 of
// store.Store prescribes. The text begins with the driver's name.
//
// Whether the run's own time was up is read from ctx, never from err. Clients share dials,
// and have timeouts of their own, so err may be a context.DeadlineExceeded that does not
// come from ctx. Wrap then returns an error that does not match the errors of package
// context.
func Wrap(ctx context.Context, name string, err error) error {
	if ours := Ended(ctx, err); ours != nil {
		return &endedError{driver: name, ours: ours, cause: err}
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return &foreignError{driver: name, cause: err}
	}
	return fmt.Errorf("%s: %w", name, err)
}

// Server returns an error that is both the *store.ServerError with the given message and
// cause, the client's own error for the reply. If Redis quotes the arguments of a command in
// the message, the message is cut before that, and cause is left out.
func Server(message string, cause error) error {
	if before, _, ok := strings.Cut(message, quoted); ok {
		message, cause = before, nil
	}
	return &serverError{server: &store.ServerError{Message: message}, cause: cause}
}

// NoScript reports whether err is the reply that the server does not have the script named
// by EVALSHA, so that nothing was run. Kvrocks puts "ERR " before that reply.
func NoScript(err error) bool {
	server, ok := errors.AsType[*store.ServerError](err)
	return ok && strings.HasPrefix(strings.TrimPrefix(server.Message, "ERR "), "NOSCRIPT")
}

// Ended returns the error with which ctx ended, or nil if it has not, for a run with ctx
// that returned err. A socket's deadline, set from the context's, can pass a moment before
// the context's own timer fires.
func Ended(ctx context.Context, err error) error {
	if e := ctx.Err(); e != nil {
		return e
	}
	deadline, ok := ctx.Deadline()
	if !ok || time.Now().Before(deadline) {
		return nil
	}
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		return context.DeadlineExceeded
	}
	return nil
}

// endedError is the error of a run that its own context ended.
type endedError struct {
	driver      string
	ours, cause error
}

func (e *endedError) Error() string {
	if e.cause == nil || errors.Is(e.cause, e.ours) {
		return e.driver + ": " + e.ours.Error()
	}
	return e.driver + ": " + e.ours.Error() + " (" + e.cause.Error() + ")"
}

func (e *endedError) Unwrap() []error {
	if e.cause == nil {
		return []error{e.ours}
	}
	return []error{e.ours, e.cause}
}

// foreignError is the error of a run that was ended by another run's context, or by a
// timeout of the client. It has no Unwrap, because that would let errors.Is find the context
// error inside.
type foreignError struct {
	driver string
	cause  error
}

func (e *foreignError) Error() string {
	return e.driver + ": the client gave up: " + e.cause.Error()
}

func (e *foreignError) Is(target error) bool {
	return target != context.DeadlineExceeded && target != context.Canceled && errors.Is(e.cause, target)
}

func (e *foreignError) As(target any) bool { return errors.As(e.cause, target) }

// Timeout makes the error a timeout for callers that ask by interface.
func (e *foreignError) Timeout() bool { return errors.Is(e.cause, context.DeadlineExceeded) }

// serverError is an error reply, which can be found as a *store.ServerError and as cause.
type serverError struct {
	server *store.ServerError
	cause  error
}

func (e *serverError) Error() string { return e.server.Error() }

func (e *serverError) Unwrap() []error {
	if e.cause == nil {
		return []error{e.server}
	}
	return []error{e.server, e.cause}
}
