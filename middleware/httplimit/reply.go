package httplimit

import (
	"slices"
	"strconv"
)

// Reply is the answer to a request that is not let through, beside its header
// fields. It may get further fields.
type Reply struct {
	Status int
	// ContentType and Body are "" where there is no body.
	ContentType, Body string
}

const (
	problemType = "application/problem+json"
	textType    = "text/plain; charset=utf-8"
	problems    = "https://iana.org/assignments/http-problem-types#"
)

// Reply returns the answer to a request that is not let through: a body in
// application/problem+json, or in text/plain where accept, the request's Accept
// field with its lines joined by commas, prefers text/plain or text/html.
// Where it has no preference, or is "", the answer is application/problem+json.
func (g *Guard) Reply(d Decision, accept string) Reply {
	status := d.Outcome.Status()
	if d.Outcome == Allowed || d.Outcome == Canceled {
		return Reply{Status: status}
	}
	if prefersText(accept) {
		return Reply{status, textType, texts(d.Outcome) + "\n"}
	}
	return Reply{status, problemType, g.problem(&d, status)}
}

func texts(o Outcome) string {
	switch o {
	case Denied:
		return "too many requests"
	case Unavailable:
		return "try again later"
	case Invalid:
		return "request does not tell whom it is from"
	}
	return "request could not be decided"
}

// problem returns the problem details of d (RFC 9457).
func (g *Guard) problem(d *Decision, status int) string {
	kind, title := "about:blank", "Internal Server Error"
	switch d.Outcome {
	case Denied:
		kind, title = problems+"quota-exceeded", "Request cannot be satisfied as assigned quota has been exceeded"
	case Unavailable:
		kind, title = problems+"temporary-reduced-capacity", "Request cannot be satisfied due to temporary server capacity constraints"
	case Invalid:
		title = "Bad Request"
	}
	text := append(make([]byte, 0, 256), `{"type":"`...)
	text = append(append(append(text, kind...), `","title":"`...), title...)
	text = strconv.AppendInt(append(text, `","status":`...), int64(status), 10)
	switch d.Outcome {
	case Denied:
		text = append(text, `,"violated-policies":[`...)
		for i, name := range d.Violated {
			if i > 0 {
				text = append(text, ',')
			}
			text = append(text, g.quoted[slices.Index(g.names, name)]...)
		}
		text = append(text, ']')
	case Invalid, Failed:
		text = append(append(append(text, `,"detail":"`...), texts(d.Outcome)...), '"')
	}
	return string(append(text, "}\n"...))
}
