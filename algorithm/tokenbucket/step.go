package tokenbucket

import (
	"fmt"
	"math/bits"
	"regexp"
	"strconv"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// bucket is a compiled Limit: one unit comes back every cost/d = q + m/d µs.
type bucket struct {
	burst, cost, q, m, d int64
}

// state says that u units were owed at the instant t + f/d, in µs.
type state struct {
	u, t, f int64
}

// epoch is the instant from which t is counted in a text that Redis stores as an integer.
const epoch = 1_600_000_000_000_000

var (
	// Both texts also say for how long the key is kept, which does not matter to Step.
	wholeText = regexp.MustCompile(`^([1-9][0-9]{0,2})[0-9]([1-9][0-9]{14})$`)
	otherText = regexp.MustCompile(`^([0-9]{1,16})\. *([0-9]{1,16})\. *([0-9]{1,16})\.[0-9]$`)
)

func read(text string) state {
	if part := wholeText.FindStringSubmatch(text); part != nil && number(part[1]) <= maxWhole {
		return state{u: number(part[1]), t: epoch + number(part[2])}
	}
	part := otherText.FindStringSubmatch(text)
	if part == nil || number(part[1]) >= 1<<53 { // not from any clock, and not exact in Lua
		return state{}
	}
	return state{t: number(part[1]), u: number(part[2]), f: number(part[3])}
}

// plain returns text without its promise of how long the key is kept. A text that overwrote
// another one may have a form that String would not give it, so it is made anew.
func plain(text string) string {
	switch {
	case wholeText.MatchString(text) && text[len(text)-16] != '0',
		otherText.MatchString(text) && text[len(text)-1] != '0':
		if s := read(text); s != (state{}) {
			return s.String()
		}
	}
	return text
}

// maxWhole is the most units owed for which the text fits an integer of 64 bits.
const maxWhole = 921

// number reads digits that cannot overflow.
func number(digits string) int64 {
	n, _ := strconv.ParseInt(digits, 10, 64)
	return n
}

func (s state) String() string {
	if t := s.t - epoch; s.f == 0 && 0 < s.u && s.u <= maxWhole && 1e14 <= t && t < 1e15 {
		return fmt.Sprintf("%d0%d", s.u, t)
	}
	return fmt.Sprintf("%010d.%4d.%4d.0", s.t, s.u, s.f)
}

// due returns the least whole number of µs after s.t by which k units have come back:
// (f + k x cost) / d, rounded up.
func (b *bucket) due(s state, k int64) int64 {
	hi, lo := bits.Mul64(uint64(k), uint64(b.cost))
	lo, carry := bits.Add64(lo, uint64(s.f)+uint64(b.d)-1, 0)
	q, _ := bits.Div64(hi+carry, lo, uint64(b.d))
	return int64(q)
}

// refill returns the state at now: s, less the units that have come back.
func (b *bucket) refill(s state, now int64) state {
	e := now - s.t
	if b.due(s, s.u) <= e {
		return state{t: now}
	}
	// k = (e x d - f) / cost, rounded down; then t + f/d moves on by k x cost/d.
	hi, lo := bits.Mul64(uint64(e), uint64(b.d))
	lo, borrow := bits.Sub64(lo, uint64(s.f), 0)
	if borrow > hi { // e is 0 and f is not
		return s
	}
	k, _ := bits.Div64(hi-borrow, lo, uint64(b.cost))
	hi, lo = bits.Mul64(k, uint64(b.cost))
	lo, carry := bits.Add64(lo, uint64(s.f), 0)
	q, f := bits.Div64(hi+carry, lo, uint64(b.d))
	return state{u: s.u - int64(k), t: s.t + int64(q), f: int64(f)}
}

// step is the specification of token_bucket.lua.
func (b *bucket) step(text string, now, n int64) (string, algorithm.Outcome) {
	s, next := read(text), text
	s.u = min(s.u, b.burst)
	if s.f >= b.d { // from a limit with another d
		s.t, s.f = s.t+1, 0
	}
	switch {
	case s.u == 0:
		s = state{t: now}
	case s.t <= now:
		s = b.refill(s, now)
	case s.t-now > b.due(state{}, b.burst):
		s.t, s.f = now, 0
		next = s.String()
	}

	out := algorithm.Outcome{}
	need := max(n, 1)
	switch {
	case need > b.burst:
		out.RetryAfter = algorithm.NeverRetry
	case need > b.burst-s.u:
		out.RetryAfter = b.due(s, s.u+need-b.burst) - (now - s.t)
	case n > 0:
		s.u += n
		next = s.String()
	}
	out.Remaining = b.burst - s.u
	if s.u > 0 {
		out.ResetAfter = b.due(s, s.u) - (now - s.t)
	}
	if n == 0 {
		next = text
	}
	return next, out
}
