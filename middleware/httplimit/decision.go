package httplimit

import (
	"iter"
	"net/http"
	"time"

	"github.com/distributed-rate-limiter/ratelimit"
)

// Outcome is what becomes of a request. There may be further ones.
type Outcome int

// The outcomes. The zero value is a denial.
const (
	// Denied: a limit denied it. 429 Too Many Requests.
	Denied Outcome = iota
	// Allowed: it is let through.
	Allowed
	// Unavailable: Redis did not decide, and the failure mode is closed. 503
	// Service Unavailable.
	Unavailable
	// Invalid: it is not known whom it is from (Err is [ratelimit.ErrIdentity]), or
	// its cost is negative, so unknown ([ratelimit.ErrN]). 400 Bad Request.
	Invalid
	// Canceled: its context ended before it was decided. 503 Service Unavailable.
	Canceled
	// Failed: it could not be decided for another reason, which is a mistake of
	// the program. 500 Internal Server Error.
	Failed
)

var outcomes = [...]struct {
	text   string
	status int
}{
	Denied:      {"denied", http.StatusTooManyRequests},
	Allowed:     {"allowed", http.StatusOK},
	Unavailable: {"unavailable", http.StatusServiceUnavailable},
	Invalid:     {"invalid", http.StatusBadRequest},
	Canceled:    {"canceled", http.StatusServiceUnavailable},
	Failed:      {"failed", http.StatusInternalServerError},
}

func (o Outcome) known() bool { return o >= 0 && int(o) < len(outcomes) }

// String returns the outcome's name in lower case. It is fit for a label.
func (o Outcome) String() string {
	if !o.known() {
		return "unknown"
	}
	return outcomes[o].text
}

// Status returns the status code that answers a request of this outcome, 200 for
// Allowed.
func (o Outcome) Status() int {
	if !o.known() {
		return http.StatusInternalServerError
	}
	return outcomes[o].status
}

// Decision is what was decided of a request, and why. It may get further fields.
type Decision struct {
	// Outcome is what becomes of it.
	Outcome Outcome

	// Name and Result are those of the limit that matters most: where the request
	// is denied, the one that denies it for longest; otherwise, of those that it
	// is charged to, the one with the least remaining, and of such the one that is
	// whole again last. Name is "" where no limit was asked.
	Name   string
	Result ratelimit.Result

	// RetryAfter is the time after which a denied request would be let through, if
	// no other came, or [algorithm.Never]. It is 0 where the request is not denied.
	RetryAfter time.Duration

	// Violated has the names of the limits that deny it, in their order. It is not
	// to be changed.
	Violated []string

	// Err says why the request is Invalid, Canceled or Failed. It is nil otherwise.
	Err error

	guard   *Guard             // that decided; nil if Name is ""
	results []ratelimit.Result // nil if there is only Result
}

// Results returns the name and result of each limit that was asked, in their order.
func (d Decision) Results() iter.Seq2[string, ratelimit.Result] {
	return func(yield func(string, ratelimit.Result) bool) {
		if d.results == nil && d.Name != "" {
			yield(d.Name, d.Result)
		}
		for i, result := range d.results {
			if !yield(d.guard.names[i], result) {
				return
			}
		}
	}
}

// informed reports whether the decision has numbers of a limit's state.
func (d *Decision) informed() bool { return d.guard != nil && !d.Result.Degraded }
