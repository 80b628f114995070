package algorithm

import (
	"math"
	"time"
)

// Never is the RetryAfter of a request that no wait will help: it asks for more
// units than the limit can ever give. It is the greatest Duration there is.
const Never time.Duration = math.MaxInt64

// Result is the answer to one request. The zero value is a denial.
type Result struct {
	// Allowed reports whether the request is let through; for a Peek, whether a
	// request for one unit would be, now.
	Allowed bool

	// Limit is the most units that a fresh identity can take at once.
	Limit int64

	// Remaining is how many units could be taken right after this request.
	Remaining int64

	// RetryAfter is 0 if the request is allowed. Otherwise it is the time after which the
	// request would be allowed if nobody else took units meanwhile, exact to the µs, or
	// [Never]. A Degraded denial does not know this time: its RetryAfter is 0, or Never if n
	// is above Limit. So a loop that waits should pause after a Degraded denial, say for a
	// second, as the limiter's Wait does.
	RetryAfter time.Duration

	// ResetAfter is the time after which the identity is as good as new if nobody takes
	// units meanwhile, exact to the µs.
	ResetAfter time.Duration

	// Now is the instant of the decision by Redis's clock, to the µs. It is the
	// zero Time if Degraded.
	Now time.Time

	// Degraded reports that Redis did not decide this request: the limiter's failure mode
	// did.
	Degraded bool
}

// ResetAt returns the instant at which the identity is as good as new, by
// Redis's clock: Now plus ResetAfter. It is the zero Time if Degraded.
func (r Result) ResetAt() time.Time {
	if r.Now.IsZero() {
		return time.Time{}
	}
	return r.Now.Add(r.ResetAfter)
}

// Result converts the outcome of a decision made at now, in µs since 1970, by a Plan with
// the given Limit.
func (o Outcome) Result(limit, now int64) Result {
	retry := time.Duration(o.RetryAfter) * time.Microsecond
	if o.RetryAfter == NeverRetry {
		retry = Never
	}
	return Result{
		Allowed:    o.Allowed(),
		Limit:      limit,
		Remaining:  o.Remaining,
		RetryAfter: retry,
		ResetAfter: time.Duration(o.ResetAfter) * time.Microsecond,
		Now:        time.UnixMicro(now),
	}
}
