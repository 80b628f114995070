package httplimit

import (
	"iter"
	"net/http"
	"time"

	"github.com/distributed-rate-limiter/ratelimit"
)

// Outcome says what happens to a request. Further outcomes may be added.
type Outcome int

// The outcomes. The zero value is Denied.
const (
	// Denied: a limit denied the request. 429 Too Many Requests.
	Denied Outcome = iota
	// Allowed: the request is let through.
	Allowed
	// Unavailable: Redis did not decide, and the failure mode is closed. 503
	// Service Unavailable.
	Unavailable
	// Invalid: the request has no identity (Err is [ratelimit.ErrIdentity]), or its cost
	// is negative, which means unknown (Err is [ratelimit.ErrN]). 400 Bad Request.
	Invalid
	// Canceled: the request's context ended before it was decided. 503 Service
	// Unavailable.
	Canceled
	// Failed: the request could not be decided for another reason, which is a mistake of
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

// String returns the outcome's name in lower case, which is fit for a metric's label.
func (o Outcome) String() string {
	if !o.known() {
		return "unknown"
	}
	return outcomes[o].text
}

// Status returns the status code of the answer to a request with this outcome. It is 200
// for Allowed.
func (o Outcome) Status() int {
	if !o.known() {
		return http.StatusInternalServerError
	}
	return outcomes[o].status
}

// Decision is the decision on a request, and its reason. Further fields may be added.
type Decision struct {
	// Outcome says what happens to the request.
	Outcome Outcome

	// Name and Result are those of the limit that matters most. If the request is denied,
	// that is the limit that denies it for longest. Otherwise it is, among the limits that
	// the request is charged to, the one with the least remaining; among equal ones, the
	// one that is last to be whole again. Name is "" if no limit was asked.
	Name   string
	Result ratelimit.Result

	// RetryAfter is the time after which a denied request would be let through if no other
	// request came meanwhile, or [algorithm.Never]. It is 0 unless Outcome is Denied.
	RetryAfter time.Duration

	// Violated has the names of the limits that deny the request, in their order. It must
	// not be changed.
	Violated []string

	// Err says why the request is Invalid, Canceled or Failed. It is nil otherwise.
	Err error

	guard   *Guard             // the guard that decided; nil if Name is ""
	results []ratelimit.Result // nil if Result is the only one
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
