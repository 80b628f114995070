package conformance

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/internal/bound"
)

// ownMutants are algorithms that somebody might write. The first two are fixed windows; the
// others are wrong only when a limit is changed.
var ownMutants = []mutant{
	{
		name:   "WindowClaimsItsLimit",
		broken: "A fixed window claims that no Period sees more than its limit; two may meet.",
		caught: "BoundHolds",
		limits: windows(func(w *window) { w.claims = 1 }),
		twice:  true,
	},
	{
		name:   "WindowTrustsTheFuture",
		broken: "A fixed window that begins in the far future counts until its end.",
		caught: "AnyState",
		limits: windows(func(w *window) { w.trusts = 1 }),
	},
	{
		name:   "CountsWhatIsLeft",
		broken: "The state is how many units are left, so that a raised limit does not help.",
		caught: "Retune",
		limits: spoil(tokenBuckets, countsWhatIsLeft),
	},
	{
		name:   "DebtAsTime",
		broken: "The state is the instant at which all will be back (GCRA), so that a debt under a slow limit is a greater one under a fast limit.",
		caught: "Retune",
		limits: []algorithm.Algorithm{gcra{every: time.Minute, burst: 3}, gcra{every: time.Second, burst: 10}, gcra{every: time.Millisecond, burst: 1000}},
	},
}

// TestWindow: a window that was not broken passes the suite, so the mutants above are caught
// for what was broken in them, not for another fault of window.
func TestWindow(t *testing.T) {
	h := mutant{}.subject(t).Harness
	TestAlgorithm(t, h, windows(func(*window) {})...)
}

// window is a fixed window: limit units in each window, and windows begin at multiples of
// period. It is correct unless claims or trusts is set.
type window struct {
	limit  int64
	period time.Duration
	claims int // 1: Bound is too low
	trusts int // 1: a state from the far future is kept
}

func windows(spoil func(*window)) []algorithm.Algorithm {
	var all []algorithm.Algorithm
	for _, w := range []window{{limit: 5, period: time.Minute}, {limit: 100, period: time.Hour}, {limit: 1, period: 10 * time.Second}} {
		spoil(&w)
		all = append(all, w)
	}
	return all
}

const windowLua = `
local function read(text)
	local begin, count = string.match(text, '^(%d+):(%d+)$')
	if not begin or #begin > 16 or #count > 15 then return 0, 0 end
	return tonumber(begin), tonumber(count)
end

local function write(begin, count)
	return string.format('%.0f:%.0f', begin, count)
end

local function step(begin0, count0, _, now, n, limit, period, trusts)
	local begin, count = now - now % period, 0
	if begin0 - now > period and trusts == 0 then
		count = math.min(count0, limit)
		begin0, count0 = begin, count
	elseif begin0 >= begin then
		begin, count = begin0, math.min(count0, limit)
	end
	local stop = period - (now - begin)
	local need, retry = math.max(n, 1), 0
	if need > limit then
		retry = -1
	elseif count + need > limit then
		retry = stop
	elseif n > 0 then
		count = count + n
		begin0, count0 = begin, count
	end
	local reset = 0
	if count > 0 then reset = stop end
	return retry, limit - count, reset, begin0, count0
end
`

func (w window) Compile() (*algorithm.Plan, error) {
	most := (2 - int64(w.claims)) * w.limit
	return &algorithm.Plan{
		Name:   "window",
		Lua:    windowLua,
		Params: []int64{w.limit, w.period.Microseconds(), int64(w.trusts)},
		Limit:  w.limit,
		Step:   w.step,
		Bound:  func(d time.Duration) int64 { return bound.Linear(most, w.limit, 1, d/w.period) },
	}, nil
}

var windowText = regexp.MustCompile(`^([0-9]{1,16}):([0-9]{1,15})$`)

func (w window) step(state string, now, n int64) (string, algorithm.Outcome) {
	var begin0, count0 int64
	if part := windowText.FindStringSubmatch(state); part != nil {
		begin0, _ = strconv.ParseInt(part[1], 10, 64)
		count0, _ = strconv.ParseInt(part[2], 10, 64)
	}
	period, next := w.period.Microseconds(), state
	begin, count := now-now%period, int64(0)
	if begin0-now > period && w.trusts == 0 {
		count = min(count0, w.limit)
		if n > 0 {
			next = fmt.Sprintf("%d:%d", begin, count)
		}
	} else if begin0 >= begin {
		begin, count = begin0, min(count0, w.limit)
	}
	out, stop := algorithm.Outcome{}, period-(now-begin)
	switch need := max(n, 1); {
	case need > w.limit:
		out.RetryAfter = algorithm.NeverRetry
	case count+need > w.limit:
		out.RetryAfter = stop
	case n > 0:
		count += n
		next = fmt.Sprintf("%d:%d", begin, count)
	}
	out.Remaining = w.limit - count
	if count > 0 {
		out.ResetAfter = stop
	}
	return next, out
}

// countsWhatIsLeft makes a token bucket's state hold the units that are left, not those owed.
// (A text that is no state is read as no units left, long ago.)
func countsWhatIsLeft(p *algorithm.Plan) {
	alsoIn(`
local burst = ...
local owed = burst - math.min(a, burst)
local retry, remaining, reset, a2, b2, c2 = whole(owed, b, c, now, n, ...)
if a2 == owed and b2 == b and c2 == c then return retry, remaining, reset, a, b, c end
return retry, remaining, reset, burst - a2, b2, c2`,
		func(p *algorithm.Plan, whole stepFunc) stepFunc {
			turned := func(state string) string {
				units, since, rest, ok := readBucket(state)
				if !ok {
					return state
				}
				return writeBucket(p.Limit-min(units, p.Limit), since, rest)
			}
			return func(state string, now, n int64) (string, algorithm.Outcome) {
				owed := turned(state)
				next, out := whole(owed, now, n)
				if next == owed {
					return state, out
				}
				return turned(next), out
			}
		})(p)
}

// gcra is the generic cell rate algorithm: burst units, one of which comes back in each
// interval of length every.
type gcra struct {
	every time.Duration
	burst int64
}

const gcraLua = `
local function read(text)
	if #text > 16 or not string.find(text, '^%d+$') then return 0 end
	return tonumber(text)
end

local function write(back)
	return string.format('%.0f', back)
end

local function step(back0, _, _, now, n, every, burst)
	local back, full = back0, every * burst
	if back - now > full then
		back = now + full
		back0 = back
	end
	back = math.max(back, now)
	local need, retry = math.max(n, 1), 0
	if need > burst then
		retry = -1
	elseif back + need * every - now > full then
		retry = back + need * every - now - full
	elseif n > 0 then
		back = back + n * every
		back0 = back
	end
	local free = full - (back - now)
	return retry, (free - free % every) / every, back - now, back0
end
`

func (g gcra) Compile() (*algorithm.Plan, error) {
	return &algorithm.Plan{
		Name:   "gcra",
		Lua:    gcraLua,
		Params: []int64{g.every.Microseconds(), g.burst},
		Limit:  g.burst,
		Step:   g.step,
		Bound:  func(d time.Duration) int64 { return bound.Linear(g.burst, 1, g.every, d) },
	}, nil
}

var gcraText = regexp.MustCompile(`^[0-9]{1,16}$`)

func (g gcra) step(state string, now, n int64) (string, algorithm.Outcome) {
	next, back := state, int64(0)
	if gcraText.MatchString(state) {
		back, _ = strconv.ParseInt(state, 10, 64)
	}
	every := g.every.Microseconds()
	full := every * g.burst
	if back-now > full { // from a clock that was wrong
		back = now + full
		if n > 0 {
			next = fmt.Sprint(back)
		}
	}
	back = max(back, now)
	out := algorithm.Outcome{}
	switch need := max(n, 1); {
	case need > g.burst:
		out.RetryAfter = algorithm.NeverRetry
	case back+need*every-now > full:
		out.RetryAfter = back + need*every - now - full
	case n > 0:
		back += n * every
		next = fmt.Sprint(back)
	}
	out.Remaining = (full - (back - now)) / every
	out.ResetAfter = back - now
	return next, out
}
