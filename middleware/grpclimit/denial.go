package grpclimit

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// Denial says why a call is not let through. It is the error that the call ends with:
// outer interceptors, and callers of a client, find it with [errors.As]. Further fields
// may be added.
type Denial struct {
	// Call is the call.
	Call Call
	// Code is ResourceExhausted if a limit denies the call, Unavailable if Redis is away
	// and the limiter fails closed, and Unauthenticated (see [WithNoIdentityCode]) if the
	// call's identity is unknown.
	Code codes.Code
	// RetryAfter is the time after which the call would be let through if nobody else took
	// units meanwhile, or [algorithm.Never]. When Redis is away it is 1 s: if Redis is
	// back by then, so is the limiter. It is 0 if the identity is unknown.
	RetryAfter time.Duration
	// Violations lists the limits that deny the call. There is at least one.
	Violations []Violation

	plain bool
}

// Violation is one limit that denies a call. Further fields may be added.
type Violation struct {
	// Limit is the name of the limit.
	Limit string
	// Identity is the identity of the call. It does not print.
	Identity ratelimit.Identity
	// Cost is how many units the call takes.
	Cost int64
	// Result is the limiter's answer. It is the zero Result if the identity is unknown.
	Result ratelimit.Result
}

// unavailable is the RetryAfter when Redis is away.
const unavailable = time.Second

// maxSubject is how many bytes of an identity go into a status. Trailers must be small.
const maxSubject = 256

// add adds a limit that denies the call. If Redis did not decide, but the call is denied
// because a limit could never allow it, only such limits are added.
func (d *Denial) add(limit *Limit, part ratelimit.Part, result ratelimit.Result) {
	if d.Code == codes.ResourceExhausted && result.Degraded && result.RetryAfter != algorithm.Never {
		return
	}
	d.Violations = append(d.Violations, Violation{
		Limit:    limit.Name,
		Identity: ratelimit.NewIdentity(part.Identity),
		Cost:     part.N,
		Result:   result,
	})
}

// Error returns the code and the message of the status.
func (d *Denial) Error() string { return fmt.Sprintf("grpclimit: %v: %s", d.Code, d.message()) }

// GRPCStatus returns the status that the call ends with. Its details are a RetryInfo, if a
// wait helps, and a QuotaFailure with the violations, if a limit denies the call.
func (d *Denial) GRPCStatus() *status.Status {
	s := status.New(d.Code, d.message())
	var details []protoadapt.MessageV1
	if d.RetryAfter > 0 && d.RetryAfter != algorithm.Never {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(d.RetryAfter)})
	}
	if d.Code == codes.ResourceExhausted && !d.unknown() {
		failure := &errdetails.QuotaFailure{}
		for i := range d.Violations {
			failure.Violations = append(failure.Violations, d.violation(&d.Violations[i]))
		}
		details = append(details, failure)
	}
	if len(details) == 0 {
		return s
	}
	detailed, err := s.WithDetails(details...)
	if err != nil { // impossible: Code is not OK, and all text is UTF-8
		return s
	}
	return detailed
}

func (d *Denial) violation(v *Violation) *errdetails.QuotaFailure_Violation {
	out := &errdetails.QuotaFailure_Violation{
		Subject:     "limit:" + v.Limit,
		Description: v.description(),
		QuotaId:     v.Limit,
		QuotaValue:  v.Result.Limit,
	}
	if d.plain {
		subject := v.Identity.Reveal()
		out.Subject = strings.ToValidUTF8(subject[:min(len(subject), maxSubject)], "\uFFFD")
	}
	if !d.Call.Client {
		out.ApiService = strings.ToValidUTF8(d.Call.Service(), "\uFFFD")
	}
	return out
}

// unknown reports whether the call is denied because its identity is unknown.
func (d *Denial) unknown() bool {
	return len(d.Violations) == 1 && d.Violations[0].Identity.Reveal() == ""
}

// passes reports whether a wait of known length would help.
func (d *Denial) passes() bool {
	return d.Code == codes.ResourceExhausted && !d.unknown() && d.RetryAfter != algorithm.Never
}

// message returns the text for people. It contains nothing that a client sent.
func (d *Denial) message() string {
	var text strings.Builder
	if d.Call.Client {
		text.WriteString("not sent: ")
	}
	switch {
	case d.unknown():
		fmt.Fprintf(&text, "rate limit %q: it is unknown whose call this is", d.Violations[0].Limit)
	case d.Code == codes.Unavailable:
		text.WriteString("rate limits cannot be decided now")
	default:
		for i := range d.Violations {
			fmt.Fprintf(&text, "rate limit %q: %s; ", d.Violations[i].Limit, d.Violations[i].description())
		}
		if d.RetryAfter == algorithm.Never {
			text.WriteString("do not retry")
		} else {
			fmt.Fprintf(&text, "retry after %v", d.RetryAfter)
		}
	}
	return text.String()
}

func (v *Violation) description() string {
	if v.Result.RetryAfter == algorithm.Never {
		return fmt.Sprintf("%d asked for, more than the %d there can be", v.Cost, v.Result.Limit)
	}
	return fmt.Sprintf("%d asked for, %d left of %d", v.Cost, v.Result.Remaining, v.Result.Limit)
}
