package httplimit

import (
	"errors"
	"strconv"

	"github.com/distributed-rate-limiter/ratelimit"
)

// Reply is the answer to a request that is not let through, without its header fields.
// Further fields may be added.
type Reply struct {
	Status int
	// ContentType and Body are "" if there is no body.
	ContentType, Body string
}

const (
	problemType = "application/problem+json"
	textType    = "text/plain; charset=utf-8"
	problems    = "https://iana.org/assignments/http-problem-types#"
)

// Reply returns the answer to a request that is not let through. The body is
// application/problem+json, or text/plain if accept prefers text/plain or text/html.
// accept is the request's Accept field, its lines joined by commas. If it is "" or has no
// preference, the body is application/problem+json.
func (g *Guard) Reply(d Decision, accept string) Reply {
	status := d.Outcome.Status()
	if d.Outcome == Allowed || d.Outcome == Canceled {
		return Reply{Status: status}
	}
	if prefersText(accept) {
		return Reply{status, textType, text(&d) + "\n"}
	}
	return Reply{status, problemType, problem(&d, status)}
}

func text(d *Decision) string {
	switch {
	case d.Outcome == Denied:
		return "too many requests"
	case d.Outcome == Unavailable:
		return "try again later"
	case errors.Is(d.Err, ratelimit.ErrIdentity):
		return "request does not identify its client"
	case errors.Is(d.Err, ratelimit.ErrN):
		return "request does not tell what it costs"
	}
	return "request could not be decided"
}

// problem returns the problem details of d (RFC 9457).
func problem(d *Decision, status int) string {
	kind, title := "about:blank", "Internal Server Error"
	switch d.Outcome {
	case Denied:
		kind, title = problems+"quota-exceeded", "Request cannot be satisfied as assigned quota has been exceeded"
	case Unavailable:
		kind, title = problems+"temporary-reduced-capacity", "Request cannot be satisfied due to temporary server capacity constraints"
	case Invalid:
		title = "Bad Request"
	}
	json := append(make([]byte, 0, 256), `{"type":"`...)
	json = append(append(append(json, kind...), `","title":"`...), title...)
	json = strconv.AppendInt(append(json, `","status":`...), int64(status), 10)
	switch d.Outcome {
	case Denied:
		json = append(json, `,"violated-policies":[`...)
		for i, name := range d.Violated {
			if i > 0 {
				json = append(json, ',')
			}
			json = strconv.AppendQuote(json, name) // valid, because names are printable ASCII
		}
		json = append(json, ']')
	case Invalid, Failed:
		json = append(append(append(json, `,"detail":"`...), text(d)...), '"')
	}
	return string(append(json, "}\n"...))
}
