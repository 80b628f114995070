package echolimit

import "github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"

// Error reports that a request was not let through; see [WithErrors].
type Error struct{ Decision httplimit.Decision }

// Error tells the outcome. It reveals nothing about the client.
func (e *Error) Error() string { return "echolimit: request is " + e.Decision.Outcome.String() }

// StatusCode implements [echo.HTTPStatusCoder].
func (e *Error) StatusCode() int { return e.Decision.Outcome.Status() }

// Unwrap returns the reason if the request is Invalid or Failed.
func (e *Error) Unwrap() error { return e.Decision.Err }
