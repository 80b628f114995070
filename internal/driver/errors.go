// Package driver is what the drivers of this module share: it gives the errors
// of a Redis client the shape that store.Store promises.
package driver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// Wrap returns err, which a client gave back for a run with ctx, as rule 5 of
// store.Store has it, its text preceded by the driver's name.
//
// Whose time was up is read from ctx, never from err: clients share dials, and
// have timeouts of their own, so that an error may be a context.DeadlineExceeded
// that is not ours. Such a one does not match the errors of package context here.
func Wrap(ctx context.Context, name string, err error) error {
	if ours := Ended(ctx, err); ours != nil {
		return &endedError{driver: name, ours: ours, cause: err}
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return &foreignError{driver: name, cause: err}
	}
	return fmt.Errorf("%s: %w", name, err)
}

// Server returns an error that is both the *store.ServerError with the given
// message and cause, the client's own error for the reply. Where Redis quotes the
// arguments of a command, it ends before that, and cause is not in it.
func Server(message string, cause error) error {
	if before, _, ok := strings.Cut(message, quoted); ok {
		message, cause = before, nil
	}
	return &serverError{server: &store.ServerError{Message: message}, cause: cause}
}

// NoScript reports whether err is the reply that the server does not have the
// script that EVALSHA named, so that nothing was run. Kvrocks puts an "ERR "
// before it.
func NoScript(err error) bool {
	server, ok := errors.AsType[*store.ServerError](err)
	return ok && strings.HasPrefix(strings.TrimPrefix(server.Message, "ERR "), "NOSCRIPT")
}

// Ended returns what ended ctx, or nil while it lives, for a run with it that gave
// err. A socket's deadline, set from the context's, can fire a moment before the
// context's own timer does.
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

// endedError is a run that its own context ended.
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

// foreignError is a run that another one's context, or a timeout of the
// client's, ended. It has no Unwrap, since that would let errors.Is find the
// context error inside.
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

// Timeout makes the error a timeout for those who ask by interface.
func (e *foreignError) Timeout() bool { return errors.Is(e.cause, context.DeadlineExceeded) }

// serverError is an error reply, to be found under both its names.
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
