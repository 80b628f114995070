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

// unansweredError is the error of a request that the limiter was not asked for, or whose
// context ended before it answered or while the request waited. It tells
// [net/url.Error] whether that was its deadline.
type unansweredError struct{ cause error }

func (e *unansweredError) Error() string { return "httplimit: " + e.cause.Error() }

func (e *unansweredError) Unwrap() error { return e.cause }

func (e *unansweredError) Timeout() bool { return errors.Is(e.cause, context.DeadlineExceeded) }
