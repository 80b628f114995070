package conformance

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// lawMutants break a law, most of them in Lua and in Go alike.
var lawMutants = []mutant{
	{
		name:   "DenialCharges",
		broken: "A denial takes what is left of what was taken from before.",
		caught: "DenialIsFree",
		limits: spoil(tokenBuckets, alsoIn(`
local retry, remaining, reset, a2, b2, c2 = whole(a, b, c, now, n, ...)
if retry ~= 0 and remaining > 0 and reset > 0 and n > 0 then
	local _
	_, _, _, a2, b2, c2 = whole(a, b, c, now, remaining, ...)
end
return retry, remaining, reset, a2, b2, c2`,
			func(_ *algorithm.Plan, whole stepFunc) stepFunc {
				return func(state string, now, n int64) (string, algorithm.Outcome) {
					next, out := whole(state, now, n)
					if !out.Allowed() && n > 0 && out.Remaining > 0 && out.ResetAfter > 0 {
						next, _ = whole(state, now, out.Remaining)
					}
					return next, out
				}
			})),
		// Not twice: after a denial, the harness does not ask again in that row; Model asks Step.
	},
	{
		name:   "LookCharges",
		broken: "A look takes a unit.",
		caught: "LookIsFree",
		limits: spoil(tokenBuckets, func(p *algorithm.Plan) {
			whole := p.Step
			p.Step = func(state string, now, n int64) (string, algorithm.Outcome) {
				next, out := whole(state, now, n)
				if n == 0 {
					next, _ = whole(state, now, 1)
				}
				return next, out
			}
		}),
	},
	{
		name:   "LookSaysYes",
		broken: "A look is always told that it is allowed.",
		caught: "LookIsFree",
		limits: spoil(tokenBuckets, numbers("if n == 0 then retry = 0 end",
			func(_ stepFunc, _ string, _, n int64, out *algorithm.Outcome) {
				if n == 0 {
					out.RetryAfter = 0
				}
			})),
		twice: true,
	},
	{
		name:   "RoundsRemainingUp",
		broken: "A unit counts as remaining from halfway before it has come back.",
		caught: "RemainingIsTrue",
		limits: spoil(tokenBuckets, numbers(`
local full, _, _, all = ..., whole(0, 0, 0, now, ..., ...)
local wait = whole(a, b, c, now, remaining + 1, ...)
if remaining < full and wait > 0 and 2 * full * wait < all then remaining = remaining + 1 end`,
			func(whole stepFunc, next string, now, _ int64, out *algorithm.Outcome) {
				_, look := whole("", now, 0)
				full := look.Remaining
				_, all := whole("", now, full)
				_, more := whole(next, now, out.Remaining+1)
				if out.Remaining < full && more.RetryAfter > 0 && 2*full*more.RetryAfter < all.ResetAfter {
					out.Remaining++
				}
			})),
		twice: true,
	},
	{
		name:   "CountsRequests",
		broken: "A state says how many requests it comes from, yet units are said to add up.",
		caught: "UnitsAddUp",
		limits: spoil(tokenBuckets, countsRequests),
	},
	{
		name:   "UnevenResets",
		broken: "ResetAfter is 1 µs more where just 3 units are owed, yet units are said to add up.",
		caught: "UnitsAddUp",
		limits: spoil(tokenBuckets, unevenResets),
	},
	{
		name:   "RetryInMilliseconds",
		broken: "RetryAfter is cut to whole milliseconds.",
		caught: "RetryIsTight",
		limits: spoil(tokenBuckets, numbers("if retry > 0 then retry = math.max(1000, retry - retry % 1000) end",
			func(_ stepFunc, _ string, _, _ int64, out *algorithm.Outcome) {
				if out.RetryAfter > 0 {
					out.RetryAfter = max(1000, out.RetryAfter-out.RetryAfter%1000)
				}
			})),
		twice: true,
	},
	{
		name:   "RetryInSeconds",
		broken: "RetryAfter is rounded up to whole seconds.",
		caught: "RetryIsTight",
		limits: spoil(tokenBuckets, numbers("if retry > 0 then retry = retry + -retry % 1000000 end",
			func(_ stepFunc, _ string, _, _ int64, out *algorithm.Outcome) {
				if out.RetryAfter > 0 {
					out.RetryAfter = (out.RetryAfter + 999_999) / 1e6 * 1e6
				}
			})),
		twice: true,
	},
	{
		name:   "RetryWhenAllIsBack",
		broken: "RetryAfter is the time until all has come back.",
		caught: "RetryIsTight",
		limits: spoil(tokenBuckets, numbers("if retry > 0 then retry = reset end",
			func(_ stepFunc, _ string, _, _ int64, out *algorithm.Outcome) {
				if out.RetryAfter > 0 {
					out.RetryAfter = out.ResetAfter
				}
			})),
		twice: true,
	},
	{
		name:   "ResetInSeconds",
		broken: "ResetAfter is rounded up to whole seconds.",
		caught: "ResetIsTight",
		limits: spoil(tokenBuckets, numbers("reset = reset + -reset % 1000000",
			func(_ stepFunc, _ string, _, _ int64, out *algorithm.Outcome) {
				out.ResetAfter = (out.ResetAfter + 999_999) / 1e6 * 1e6
			})),
		twice: true,
	},
	{
		name:   "ResetWhenOneIsBack",
		broken: "ResetAfter is the time until the next unit has come back.",
		caught: "ResetIsTight",
		limits: spoil(tokenBuckets, numbers("if reset > 0 then reset = whole(a, b, c, now, remaining + 1, ...) end",
			func(whole stepFunc, next string, now, _ int64, out *algorithm.Outcome) {
				if out.ResetAfter > 0 {
					_, more := whole(next, now, out.Remaining+1)
					out.ResetAfter = more.RetryAfter
				}
			})),
		twice: true,
	},
	{
		name:   "ClockBackForgets",
		broken: "A state from later than now is taken for that of a fresh identity.",
		caught: "ClockBack",
		limits: spoil(tokenBuckets, fromLater("0, 0, 0", func(_, _ int64, _ string) string { return "" })),
		twice:  true,
	},
	{
		name:   "ClockBackTwice",
		broken: "A state from later than now is taken to be of now, so that what has come back since comes back again.",
		caught: "ClockBack",
		limits: spoil(tokenBuckets, fromLater("a, now, c", writeBucket)),
		twice:  true,
	},
	{
		name:   "BoundTooLow",
		broken: "The bound is that of half the rate.",
		caught: "BoundHolds",
		limits: spoil(tokenBuckets, func(p *algorithm.Plan) {
			whole := p.Bound
			p.Bound = func(d time.Duration) int64 { return whole(d / 2) }
		}),
		twice: true,
	},
	{
		name:   "BoundOverflows",
		broken: "The bound multiplies nanoseconds by the rate, which is too much for 64 bits after some years.",
		caught: "BoundGrows",
		limits: spoil(tokenBuckets, func(p *algorithm.Plan) {
			limit, window := p.Limit, p.Window
			p.Bound = func(d time.Duration) int64 { return limit + int64(d)*limit/int64(window) + 1 }
		}),
	},
	{
		name:   "HidesItsSize",
		broken: "UnitSize is 0, although each unit adds 7 bytes to the state.",
		caught: "Size",
		limits: spoil(slidingLogs, func(p *algorithm.Plan) { p.UnitSize = 0 }),
	},
	{
		name:   "TellsTheWholeSize",
		broken: "UnitSize is how large a state is, which units do not add to.",
		caught: "Size",
		limits: spoil(tokenBuckets, func(p *algorithm.Plan) { p.UnitSize = 19 }),
	},
	{
		name:   "KeepsAHistory",
		broken: "A state also has what was taken long ago.",
		caught: "Size",
		limits: spoil(tokenBuckets, keepsAHistory),
	},
	{
		name:   "WindowIsThePeriod",
		broken: "The window of a bucket is the period of its rate, whatever its burst.",
		caught: "WindowIsTrue",
		limits: spoil(tokenBuckets, func(p *algorithm.Plan) { p.Window *= 7 }),
	},
	{
		name:   "PlainPanicsOnGarbage",
		broken: "A text that is no state makes Plain panic.",
		caught: "Plain",
		limits: spoil(tokenBuckets, func(p *algorithm.Plan) {
			whole := p.Plain
			p.Plain = func(text string) string {
				if _, _, _, ok := readBucket(text); text != "" && !ok {
					panic("no state: " + strconv.Quote(text))
				}
				return whole(text)
			}
		}),
	},
	{
		name:   "PlainForgetsTheRest",
		broken: "Plain drops what an instant has beyond whole microseconds.",
		caught: "Plain",
		limits: spoil(tokenBuckets, func(p *algorithm.Plan) {
			p.Plain = func(text string) string {
				owed, since, _, ok := readBucket(text)
				if !ok {
					return text
				}
				return writeBucket(owed, since, "")
			}
		}),
	},
	{
		name:   "PanicsOnGarbage",
		broken: "A state that is not known makes Step panic.",
		caught: "AnyState",
		limits: spoil(tokenBuckets, func(p *algorithm.Plan) {
			whole := p.Step
			p.Step = func(state string, now, n int64) (string, algorithm.Outcome) {
				if _, _, _, ok := readBucket(state); state != "" && !ok {
					panic("no state: " + strconv.Quote(state))
				}
				return whole(state, now, n)
			}
		}),
	},
	{
		name:   "GarbageIsDenied",
		broken: "A state that is not known is denied everything, to be safe.",
		caught: "AnyState",
		limits: spoil(tokenBuckets, func(p *algorithm.Plan) {
			whole := p.Step
			p.Step = func(state string, now, n int64) (string, algorithm.Outcome) {
				if _, _, _, ok := readBucket(state); state != "" && !ok {
					return state, algorithm.Outcome{RetryAfter: 1}
				}
				return whole(state, now, n)
			}
		}),
	},
}

// keepsAHistory adds to a token bucket's state every instant at which units were taken.
func keepsAHistory(p *algorithm.Plan) {
	whole := p.Step
	p.Additive = false
	p.Step = func(state string, now, n int64) (string, algorithm.Outcome) {
		bucket, history, _ := strings.Cut(state, "#")
		next, out := whole(bucket, now, n)
		if next == bucket {
			return state, out
		}
		return fmt.Sprintf("%s#%s %d", next, history, now), out
	}
}

// countsRequests adds to a token bucket's state the number of requests that it comes from.
func countsRequests(p *algorithm.Plan) {
	counted := regexp.MustCompile(`^(.*)#([0-9]{1,9})$`)
	whole := p.Step
	p.Step = func(state string, now, n int64) (string, algorithm.Outcome) {
		bucket, count := state, 0
		if part := counted.FindStringSubmatch(state); part != nil {
			bucket = part[1]
			count, _ = strconv.Atoi(part[2])
		}
		next, out := whole(bucket, now, n)
		if next == bucket {
			return state, out
		}
		return next + "#" + strconv.Itoa(count+1), out
	}
}

// unevenResets makes ResetAfter 1 µs longer where just 3 units are owed. It leaves Additive as
// it is, which numbers does not.
func unevenResets(p *algorithm.Plan) {
	promised := p.Additive
	numbers("if remaining == ... - 3 then reset = reset + 1 end",
		func(whole stepFunc, _ string, now, _ int64, out *algorithm.Outcome) {
			if _, look := whole("", now, 0); out.Remaining == look.Remaining-3 {
				out.ResetAfter++
			}
		})(p)
	p.Additive = promised
}

// These match the two forms of a token bucket's state: the units owed, the instant and, in
// the second form, what the instant has beyond whole µs.
var (
	wholeBucket = regexp.MustCompile(`^([1-9][0-9]{0,2})[0-9]([1-9][0-9]{14})$`)
	otherBucket = regexp.MustCompile(`^([0-9]{1,16})\. *([0-9]{1,16})\. *([0-9]{1,16})\.[0-9]$`)
)

const bucketEpoch = 1_600_000_000_000_000

// readBucket returns these three, and whether state is a token bucket's.
func readBucket(state string) (owed, since int64, rest string, ok bool) {
	number := func(digits string) int64 {
		n, _ := strconv.ParseInt(digits, 10, 64)
		return n
	}
	if part := wholeBucket.FindStringSubmatch(state); part != nil {
		owed = number(part[1])
		return owed, bucketEpoch + number(part[2]), "", owed <= 921
	}
	part := otherBucket.FindStringSubmatch(state)
	if part == nil {
		return 0, 0, "", false
	}
	since = number(part[1])
	return number(part[2]), since, strings.TrimLeft(part[3], "0"), since < 1<<53 // a later instant would not be exact
}

// writeBucket is the inverse of readBucket.
func writeBucket(owed, since int64, rest string) string {
	if after := since - bucketEpoch; rest == "" && 0 < owed && owed <= 921 && 1e14 <= after && after < 1e15 {
		return fmt.Sprintf("%d0%d", owed, after)
	}
	return fmt.Sprintf("%010d.%4d.%4s.0", since, owed, cmp.Or(rest, "0"))
}

// fromLater decides by another state if a token bucket's state is from later than now. lua
// lists the other state's a, b and c; in Go, other returns that state.
func fromLater(lua string, other func(owed, now int64, rest string) string) func(*algorithm.Plan) {
	return alsoIn(`
if b <= now then return whole(a, b, c, now, n, ...) end
local retry, remaining, reset, a2, b2, c2 = whole(`+lua+`, now, n, ...)
if retry ~= 0 then a2, b2, c2 = a, b, c end
return retry, remaining, reset, a2, b2, c2`,
		func(_ *algorithm.Plan, whole stepFunc) stepFunc {
			return func(state string, now, n int64) (string, algorithm.Outcome) {
				owed, since, rest, ok := readBucket(state)
				if !ok || since <= now {
					return whole(state, now, n)
				}
				next, out := whole(other(owed, now, rest), now, n)
				if !out.Allowed() || n == 0 {
					next = state
				}
				return next, out
			}
		})
}
