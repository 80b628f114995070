package httplimit

import (
	"context"
	"errors"
	"fmt"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// The reasons why a transport did not send a request. Match them with [errors.Is].
var (
	// ErrDenied reports that the limit denied the request. The error is also a
	// [*DeniedError].
	ErrDenied = errors.New("httplimit: request is denied by its rate limit")
	// ErrUnavailable reports that Redis did not decide, and the limiter's failure mode
	// is [ratelimit.FailClosed].
	ErrUnavailable = errors.New("httplimit: request is denied, as Redis does not decide")
)

// DeniedError is the error of a request that was not sent because a limit denied it.
// Further fields may be added.
type DeniedError struct {
	// N is how many units the request asked for.
	N int64
	// Result is the limiter's last answer. Its RetryAfter counts from the moment of that
	// answer.
	Result ratelimit.Result
}

// Error says how long to wait. It does not reveal the identity.
func (e *DeniedError) Error() string {
	if e.Result.RetryAfter == algorithm.Never {
		return fmt.Sprintf("%v: it costs %d, the limit is %d", ErrDenied, e.N, e.Result.Limit)
	}
	return fmt.Sprintf("%v: retry after %v", ErrDenied, e.Result.RetryAfter)
}

// Unwrap returns [ErrDenied].
func (e *DeniedError) Unwrap() error { return ErrDenied }

// unansweredError is the error of a request that was invalid, or whose context ended
// before the limiter answered or while the request waited. Its Timeout method tells
// [net/url.Error] whether the context's deadline was the reason.
type unansweredError struct{ cause error }

func (e *unansweredError) Error() string { return "httplimit: " + e.cause.Error() }

func (e *unansweredError) Unwrap() error { return e.cause }

func (e *unansweredError) Timeout() bool { return errors.Is(e.cause, context.DeadlineExceeded) }
