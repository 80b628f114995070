package algorithm

import (
	"fmt"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// perLimit is how many integers the reply has for each limit of a decision.
const perLimit = 3

// The values of retry that are neither 0, a time to wait nor NeverRetry.
const (
	// retryFailed says that the algorithm raised an error.
	retryFailed = -2
	// retryCounted says that the triple stands for several outcomes. The next integer is
	// their number, and the one after it is how much later each of them resets than the one
	// before.
	retryCounted = -3
)

// CheckReply returns an error that wraps [store.ErrReply] unless reply has the length and
// the clock of a run with the given number of outcomes for each limit. Call it before Now
// and Outcome.
func (p *Program) CheckReply(reply []int64, outcomes int) error {
	want := 1 + perLimit*len(p.limits)*outcomes
	if len(reply) != want {
		return p.invalid("the reply has %d integers: must have %d", len(reply), want)
	}
	return p.checkNow(reply)
}

func (p *Program) checkNow(reply []int64) error {
	if reply[0] < 0 || reply[0] > maxExact {
		return p.invalid("the clock says %d µs: must be 0 to 2^53", reply[0])
	}
	return nil
}

// Now returns the instant of a run, in µs since 1970.
func (p *Program) Now(reply []int64) int64 { return reply[0] }

// Outcome returns what the given limit answered in the given decision of a run without
// repeats. Limits and decisions are counted from 0. The error wraps [ErrFailed], or
// [store.ErrReply] if the numbers are missing or cannot be an outcome.
func (p *Program) Outcome(reply []int64, decision, limit int) (Outcome, error) {
	at := 1 + perLimit*(len(p.limits)*decision+limit)
	if at+perLimit > len(reply) {
		return Outcome{}, p.invalid("the reply has %d integers: must have at least %d", len(reply), at+perLimit)
	}
	o := Outcome{RetryAfter: reply[at], Remaining: reply[at+1], ResetAfter: reply[at+2]}
	switch {
	case o.RetryAfter == retryFailed:
		return Outcome{}, fmt.Errorf("%w (%s)", ErrFailed, p.limits[limit].Name)
	case !p.possible(o, limit):
		return Outcome{}, p.invalid("limit %s answered retry %d, remaining %d, reset %d: must be -1 to 2^53, 0 to %d, 0 to 2^53",
			p.limits[limit].Name, o.RetryAfter, o.Remaining, o.ResetAfter, p.limits[limit].Limit)
	}
	return o, nil
}

// invalid returns an error that wraps [store.ErrReply] without showing its text (%.0w prints
// nothing), because the reply is an array of integers, but not one that the script can give.
func (p *Program) invalid(format string, args ...any) error {
	return fmt.Errorf("algorithm: script %s: %s%.0w", p.script.Name(), fmt.Sprintf(format, args...), store.ErrReply)
}

// possible reports whether a limit can have answered o, by the ranges of [Outcome].
func (p *Program) possible(o Outcome, limit int) bool {
	return NeverRetry <= o.RetryAfter && o.RetryAfter <= maxExact &&
		0 <= o.Remaining && o.Remaining <= p.limits[limit].Limit &&
		0 <= o.ResetAfter && o.ResetAfter <= maxExact
}
