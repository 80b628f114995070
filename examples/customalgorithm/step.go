package customalgorithm

import (
	"fmt"
	"regexp"
	"strconv"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// window is a compiled Limit; the period is in µs.
type window struct{ limit, period int64 }

var stateText = regexp.MustCompile(`^([0-9]{1,16}):([0-9]{1,15})$`)

// read returns the units taken in the window of a state, and the instant at which it
// began.
func read(text string) (taken, start int64) {
	part := stateText.FindStringSubmatch(text)
	if part == nil {
		return 0, 0
	}
	start, _ = strconv.ParseInt(part[1], 10, 64) // 16 digits cannot overflow
	taken, _ = strconv.ParseInt(part[2], 10, 64)
	if start >= 1<<53 {
		return 0, 0
	}
	return taken, start
}

func write(taken, start int64) string { return fmt.Sprintf("%d:%d", start, taken) }

// step is the specification of fixed_window.lua, which has the comments.
func (w window) step(state string, now, n int64) (string, algorithm.Outcome) {
	current := now - now%w.period
	taken, start := read(state)
	start -= start % w.period
	next := state
	switch {
	case start > current+w.period:
		start = current
		if n > 0 {
			next = write(taken, start)
		}
	case start < current:
		taken, start = 0, current
	}

	var out algorithm.Outcome
	stop, need := start+w.period-now, max(n, 1)
	switch {
	case need > w.limit:
		out.RetryAfter = algorithm.NeverRetry
	case need > w.limit-taken:
		out.RetryAfter = stop
	case n > 0:
		taken += n
		next = write(taken, start)
	}
	out.Remaining = max(w.limit-taken, 0)
	if taken > 0 {
		out.ResetAfter = stop
	}
	return next, out
}
