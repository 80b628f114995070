package slidingwindow

import (
	"slices"
	"sort"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// ledger is a compiled Log; the period is in µs.
type ledger struct {
	limit, period int64
}

// width is the number of bytes of a unit's instant in a text.
const width = 7

func decode(text string) []int64 {
	if len(text)%width != 0 {
		return nil
	}
	log := make([]int64, len(text)/width)
	for i := range log {
		for _, b := range []byte(text[width*i : width*(i+1)]) {
			log[i] = log[i]<<8 | int64(b)
		}
	}
	return log
}

func encode(log []int64) string {
	text := make([]byte, 0, width*len(log))
	for _, t := range log {
		for shift := 8 * (width - 1); shift >= 0; shift -= 8 {
			text = append(text, byte(t>>shift))
		}
	}
	return string(text)
}

// after returns the index of the first instant later than t. It returns 0 if log[0] is
// later, even if the others are not in order.
func after(log []int64, t int64) int {
	if len(log) == 0 || log[0] > t {
		return 0
	}
	return 1 + sort.Search(len(log)-1, func(i int) bool { return log[1+i] > t })
}

// step is the specification of sliding_log.lua.
func (g ledger) step(text string, now, n int64) (string, algorithm.Outcome) {
	log, next := decode(text), text
	last := now
	if len(log) > 0 {
		last = log[len(log)-1]
	}
	if last-now > g.period || last >= 1<<53 { // from a clock that was wrong
		for i := after(log, now); i < len(log); i++ {
			log[i] = now
		}
		log = log[max(0, int64(len(log))-g.limit):]
		last = now
		if n != 0 {
			next = encode(log)
		}
	}
	if last+g.period <= now {
		log = nil
	}
	log = log[after(log, now-g.period):]
	used := int64(len(log))

	var out algorithm.Outcome
	need := max(n, 1)
	switch {
	case need > g.limit:
		out.RetryAfter = algorithm.NeverRetry
	case used+need > g.limit:
		freed := log[used+need-g.limit-1]
		out.RetryAfter = max(1, min(freed, last)+g.period-now)
	case n > 0:
		last = max(now, last)
		used += n
		next = encode(append(log, slices.Repeat([]int64{last}, int(n))...))
	}
	out.Remaining = max(g.limit-used, 0)
	if used > 0 {
		out.ResetAfter = last + g.period - now
	}
	return next, out
}
