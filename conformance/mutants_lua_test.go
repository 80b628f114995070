package conformance

import (
	"time"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/slidingwindow"
)

// luaMutants have slips in the Lua of an algorithm that its Step does not have.
var luaMutants = []mutant{
	{
		name:   "LuaDenialCharges",
		broken: "In Lua alone, a denial takes a unit where there is one.",
		caught: "Model",
		limits: tokenBuckets,
		open: edited("retry = due(missing, f, q, m, d) - (now - t)",
			"retry = due(missing, f, q, m, d) - (now - t)\n u0, t0, f0 = math.min(u + 1, burst), t, f"),
	},
	{
		name:   "BurstOffByOne",
		broken: "In Lua alone, one unit more than Burst is let through.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("local missing = u + need - burst", "local missing = u + need - burst - 1"),
	},
	{
		name:   "RemainingOffByOne",
		broken: "In Lua alone, Remaining is one too few.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("return retry, burst - u, reset", "return retry, math.max(0, burst - u - 1), reset"),
	},
	{
		name:   "RoundsDown",
		broken: "In Lua alone, the time by which units are back is rounded down.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("(x + -x % d) / d", "(x - x % d) / d"),
	},
	{
		name:   "DropsFractions",
		broken: "In Lua alone, what an instant has beyond whole microseconds is dropped.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("t + k * q + (x - x % d) / d, x % d", "t + k * q + (x - x % d) / d, 0"),
	},
	{
		name:   "LuaResetOfOne",
		broken: "In Lua alone, ResetAfter is the time until one unit is back.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("reset = due(u, f, q, m, d)", "reset = due(1, f, q, m, d)"),
	},
	{
		name:   "LuaLookCharges",
		broken: "In Lua alone, a look is answered as though it had taken a unit.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("u = u + n", "u = u + need"),
	},
	{
		name:   "FutureNotMended",
		broken: "In Lua alone, a state from the far future is kept.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("if t - now > due(burst, 0, q, m, d) then", "if false then"),
	},
	{
		name:   "ReadsAnyLength",
		broken: "In Lua alone, digits are a number however many there are.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("if t and #t < 17 and #u < 17 and #f < 17 then", "if t then"),
	},
	{
		name:   "AddsToNoInteger",
		broken: "In Lua alone, a state that is no integer is added to.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("tonumber(f), k + 10", "tonumber(f), k + 0"),
	},
	{
		name:   "LeavesTheEnd",
		broken: "A state is put in the place of one whose text is longer.",
		caught: "Model",
		limits: []algorithm.Algorithm{bucket(700_001, time.Second, 50)},
		open:   edited("if other and #other == #text then", "if other then"),
	},
	{
		name:    "PrintsFourteenDigits",
		broken:  "In Lua alone, the state is made text by .., which keeps 14 digits of a time.",
		caught:  "Texts",
		limits:  tokenBuckets,
		open:    edited("format('%d%06d%09d', u * 10 + k, (t - epoch - low) / 1000000000, low)", "u * 10 + k .. t - epoch"),
		onRedis: "the embedded one's Lua prints all digits of a time",
	},
	{
		name:   "WeighsTooLittle",
		broken: "In Lua alone, the window before weighs one unit too few.",
		caught: "Model",
		limits: slidingWindows,
		open:   edited("k = k + 1 end\n  return k\n", "k = k + 1 end\n  return math.max(0, k - 1)\n"),
	},
	{
		name:   "PacksTooMuch",
		broken: "In Lua alone, a count of 10,000 is packed into four digits.",
		caught: "Texts",
		limits: slidingWindows,
		open:   edited("c < 10000 and", "c <= 10000 and"),
	},
	{
		name:   "ForgetsOtherPeriods",
		broken: "In Lua alone, what the window before had is lost when a limit with another Period takes over.",
		caught: "Model",
		limits: slidingWindows,
		open:   edited("elseif s0 > s then\n    c, p = math.min(c + p, limit), 0", "elseif s0 > s then\n    p = 0"),
	},
	{
		name:   "LogKeepsTheEdge",
		broken: "In Lua alone, a unit that was taken a Period ago still counts.",
		caught: "Model",
		limits: slidingLogs,
		open:   edited("or at(text, mid) > t then", "or at(text, mid) >= t then"),
	},
}

// slidingWindows and slidingLogs are the limits of mutants of these algorithms.
var (
	slidingWindows = []algorithm.Algorithm{
		slidingwindow.Limit{Rate: 100, Period: 24 * time.Hour},
		slidingwindow.Limit{Rate: 7, Period: 700_001 * time.Microsecond},
		slidingwindow.Limit{Rate: 20_000, Period: time.Hour},
	}
	slidingLogs = []algorithm.Algorithm{
		slidingwindow.Log{Rate: 100, Period: 24 * time.Hour},
		slidingwindow.Log{Rate: 3, Period: 700 * time.Millisecond},
	}
)
