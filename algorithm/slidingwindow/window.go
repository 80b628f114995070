package slidingwindow

import (
	"fmt"
	"math/bits"
	"regexp"
	"strconv"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// window is a compiled Limit; the period is in µs.
type window struct {
	limit, period int64
}

// counts says that c units were taken since the instant s, in µs, and p units in the period
// before.
type counts struct {
	c, p, s int64
}

var (
	// The first digit of 19, or the one after the last colon, says for how long the key is
	// kept, which does not matter to Step.
	packedText   = regexp.MustCompile(`^[1-8]?([1-9][0-9]{9})([0-9]{4})([0-9]{4})$`)
	separateText = regexp.MustCompile(`^([0-9]+):([0-9]+):([0-9]+):[0-9]$`)
)

func read(text string) counts {
	if part := packedText.FindStringSubmatch(text); part != nil {
		return counts{s: number(part[1]) * 1e6, c: number(part[2]), p: number(part[3])}
	}
	if part := separateText.FindStringSubmatch(text); part != nil && len(part[1]) <= 16 && len(part[2]) <= 15 && len(part[3]) <= 15 {
		if s := number(part[1]); s < 1<<53 { // a later one is not from any clock, and not exact in Lua
			return counts{s: s, c: number(part[2]), p: number(part[3])}
		}
	}
	return counts{}
}

// plain returns text without its promise of how long the key is kept.
func plain(text string) string {
	switch {
	case packedText.MatchString(text) && len(text) == 19,
		separateText.MatchString(text) && text[len(text)-1] != '0':
		if w := read(text); w != (counts{}) {
			return w.String()
		}
	}
	return text
}

// number reads digits that cannot overflow.
func number(digits string) int64 {
	n, _ := strconv.ParseInt(digits, 10, 64)
	return n
}

func (w counts) String() string {
	if w.c < 1e4 && w.p < 1e4 && w.s%1e6 == 0 && w.s >= 1e15 {
		return fmt.Sprintf("%d%04d%04d", w.s/1e6, w.c, w.p)
	}
	return fmt.Sprintf("%d:%d:%d:0", w.s, w.c, w.p)
}

// at returns the counts as they stand at now, by the windows of this limit.
func (w window) at(old counts, now int64) counts {
	c, p := min(old.c, w.limit), min(old.p, w.limit)
	both := min(c+p, w.limit)
	s := now - now%w.period
	switch {
	case old.s-now > w.period: // from a clock that was wrong
		return counts{both, 0, s}
	case old.s > now: // the clock has stepped back
		return counts{c, p, old.s}
	case old.s == s:
		return counts{c, p, s}
	case old.s > s: // from another period
		return counts{both, 0, s}
	case old.s == s-w.period:
		return counts{0, c, s}
	case old.s > s-w.period: // from another period
		return counts{0, both, s}
	}
	return counts{0, 0, s}
}

// scale is k x num/den, rounded down, for k x num/den < 2^63.
func scale(k, num, den int64) int64 {
	hi, lo := bits.Mul64(uint64(k), uint64(num))
	q, _ := bits.Div64(hi, lo, uint64(den))
	return int64(q)
}

// step is the specification of sliding_window.lua.
func (w window) step(text string, now, n int64) (string, algorithm.Outcome) {
	old := read(text)
	at, next := w.at(old, now), text
	if old.s-now > w.period && n != 0 {
		next = at.String()
	}

	stop := at.s + w.period - now // until the current window ends
	x := min(stop, w.period)      // how much of it is left
	weight := at.p - scale(at.p, w.period-x, w.period)
	free := w.limit - at.c - weight

	var out algorithm.Outcome
	need := max(n, 1)
	switch {
	case need > w.limit:
		out.RetryAfter = algorithm.NeverRetry
	case need > free && at.c+need <= w.limit:
		out.RetryAfter = stop - scale(w.limit-at.c-need, w.period, at.p)
	case need > free:
		out.RetryAfter = stop + w.period - scale(w.limit-need, w.period, at.c)
	case n > 0:
		at.c, free = at.c+n, free-n
		next = at.String()
	}
	out.Remaining = max(free, 0)
	switch {
	case at.c > 0:
		out.ResetAfter = stop + w.period
	case at.p > 0:
		out.ResetAfter = stop
	}
	return next, out
}
