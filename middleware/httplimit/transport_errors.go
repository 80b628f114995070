package httplimit

import (
	"context"
	"errors"
	"fmt"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// Why a transport did not send a request. Match them with [errors.Is].
var (
	// ErrDenied reports that the limit denied it. It is a [*DeniedError], too.
	ErrDenied = errors.New("httplimit: request is denied by its rate limit")
	// ErrUnavailable reports that Redis did not decide, and the limiter's failure mode
	// is [ratelimit.FailClosed].
	ErrUnavailable = errors.New("httplimit: request is denied, as Redis does not decide")
)

// DeniedError is the error of a request that a limit denied: it was not sent. It may
// get further fields.
type DeniedError struct {
	// N is how many units were asked for.
	N int64
	// Result is the limiter's last answer. Its RetryAfter was true when it came.
	Result ratelimit.Result
}

// Error says how long to wait. It does not name the identity.
func (e *DeniedError) Error() string {
	if e.Result.RetryAfter == algorithm.Never {
		return fmt.Sprintf("%v: it costs %d, the limit is %d", ErrDenied, e.N, e.Result.Limit)
	}
	return fmt.Sprintf("%v: retry after %v", ErrDenied, e.Result.RetryAfter)
}

// Unwrap returns [ErrDenied].
func (e *DeniedError) Unwrap() error { return ErrDenied }

// gaveUpError is the error of a request whose context ended while it waited. It tells
// [net/url.Error] whether that was its deadline.
type gaveUpError struct{ cause error }

func (e *gaveUpError) Error() string {
	return "httplimit: wait for the rate limit was given up: " + e.cause.Error()
}

func (e *gaveUpError) Unwrap() error { return e.cause }

func (e *gaveUpError) Timeout() bool { return e.cause == context.DeadlineExceeded }
