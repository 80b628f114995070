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

// Denial is why a call is not let through. It is the error that the call ends with:
// interceptors around this one, and callers of a client, find it by [errors.As]. It
// may get further fields.
type Denial struct {
	// Call is the call.
	Call Call
	// Code says why: ResourceExhausted where a limit denies it, Unavailable where
	// Redis is away and the limiter fails closed, Unauthenticated (see
	// [WithNoIdentityCode]) where its identity is unknown.
	Code codes.Code
	// RetryAfter is the time after which it would be let through, if nobody else
	// took units meanwhile; or [algorithm.Never]. It is 1 s where Redis is away: a
	// limiter is back by then if Redis is. It is 0 where the identity is unknown.
	RetryAfter time.Duration
	// Violations are the limits that deny it, at least one.
	Violations []Violation

	plain bool
}

// Violation is one limit that denies a call. It may get further fields.
type Violation struct {
	// Limit is its name.
	Limit string
	// Identity is what the call is limited as. It does not print.
	Identity ratelimit.Identity
	// Cost is how many units the call takes.
	Cost int64
	// Result is what the limiter says. It is the zero Result where the identity is
	// unknown.
	Result ratelimit.Result
}

// unavailable is the RetryAfter where Redis is away.
const unavailable = time.Second

// maxSubject is how much of an identity goes into a status, in bytes: trailers have
// to be small.
const maxSubject = 256

// add adds a limit that denies the call. What Redis did not decide is the fault of
// the limits alone that could never allow it.
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

// GRPCStatus returns the status that the call ends with. Its details are a RetryInfo,
// where a wait helps; and a QuotaFailure with the violations, where Code is
// ResourceExhausted.
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
	if err != nil { // a code that is OK; all text is UTF-8
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

// unknown reports whether it is unknown whose call it is.
func (d *Denial) unknown() bool {
	return len(d.Violations) == 1 && d.Violations[0].Identity.Reveal() == ""
}

// passes reports whether a wait of known length would help.
func (d *Denial) passes() bool {
	return d.Code == codes.ResourceExhausted && !d.unknown() && d.RetryAfter != algorithm.Never
}

// message returns what people read. It has nothing in it that a client sent.
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
