package conformance

import (
	"context"
	"strings"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

const (
	steps      = "local retry, remaining, reset, a2, b2, c2 = step(a, b, c, "
	readsClock = "local now = clock[1] * 1000000 + clock[2]\n"
	setsLife   = "local ms = math.ceil(reset / 1000) + 2\n" // a virtual clock replaces this line
	setsAlone  = "redis.call('PSETEX', key, lives, text)"
	setsSome   = "call('PSETEX', KEYS[key], ms, texts[key])"
)

// clockMutants get the time wrong, or how long a state lives. Most of them show no fault under
// a virtual clock.
var clockMutants = []mutant{
	{
		name:   "ClockInMilliseconds",
		broken: "The server's time is taken in whole milliseconds.",
		caught: "ServerClock",
		limits: tokenBuckets,
		open:   edited(readsClock, "local now = clock[1] * 1000000 + clock[2] - clock[2] % 1000\n"),
	},
	{
		name:   "ClockAhead",
		broken: "The time is an hour later than the server's.",
		caught: "ServerClock",
		limits: tokenBuckets,
		open:   edited(readsClock, "local now = (clock[1] + 3600) * 1000000 + clock[2]\n"),
	},
	{
		name:   "CallersClock",
		broken: "The time is that of the caller's clock, which is a second off.",
		caught: "ServerClock",
		limits: tokenBuckets,
		open: always(func(ctx context.Context, c call) ([]int64, error) {
			if !strings.Contains(c.script.Source(), readsClock) {
				return c.run(ctx)
			}
			source := strings.Replace(c.script.Source(), readsClock, "local now = callers\n", 1)
			c.script = store.NewScript(c.script.Name(), "local callers = tonumber(ARGV[#ARGV])\nARGV[#ARGV] = nil\n"+source)
			c.args = append(append([]int64{}, c.args...), time.Now().Add(-time.Second).UnixMicro())
			return c.run(ctx)
		}),
	},
	{
		name:   "DecidesByAnEarlierTime",
		broken: "A decision is that of an instant ten microseconds before the one that it names.",
		caught: "ServerClock",
		limits: tokenBuckets,
		open:   edited("redis.call('TIME')", "redis.call('TIME')", "      "+steps+"now,", "      "+steps+"now - 10,"),
	},
	{
		name:   "NeverExpires",
		broken: "States have no time to live.",
		caught: "Expiry",
		limits: tokenBuckets,
		open:   edited(setsAlone, "redis.call('SET', key, text)", setsSome, "call('SET', KEYS[key], texts[key])"),
	},
	{
		name:   "SecondKeyNeverExpires",
		broken: "Of several states that a run writes, the first alone has a time to live.",
		caught: "Expiry",
		limits: tokenBuckets,
		open: edited(setsSome,
			setsSome+" if key > 1 then redis.call('PERSIST', KEYS[key]) end"),
	},
	{
		name:   "JointlyNeverExpires",
		broken: "States under several limits have no time to live.",
		caught: "Expiry",
		limits: tokenBuckets,
		open: edited("reset, as[key], bs[key], cs[key])",
			"reset, as[key], bs[key], cs[key])\n    if lives[key] then redis.call('SET', KEYS[key], texts[key]) lives[key] = nil end"),
	},
	{
		name:   "TTLInSeconds",
		broken: "The time to live is cut to whole seconds.",
		caught: "Expiry",
		limits: tokenBuckets,
		open:   edited(setsLife, "local ms = math.max(1, math.floor(reset / 1000000)) * 1000\n"),
	},
	{
		name:   "TTLTooShort",
		broken: "The time to live is 50 ms too short.",
		caught: "Expiry",
		limits: tokenBuckets,
		open:   edited(setsLife, "local ms = math.max(1, math.ceil(reset / 1000) - 50)\n"),
	},
	{
		name:   "TTLTooLong",
		broken: "The time to live has microseconds for milliseconds.",
		caught: "Expiry",
		limits: tokenBuckets,
		open:   edited(setsLife, "local ms = reset\n"),
	},
	{
		name:   "TTLOfTheFirstUnit",
		broken: "The time to live is that of the first unit: later ones do not prolong it.",
		caught: "Expiry",
		limits: tokenBuckets,
		open: edited(setsAlone,
			"local left = redis.call('PTTL', key)\n        redis.call('PSETEX', key, left > 0 and left or lives, text)"),
	},
	{
		name:   "AddsToAnyLife",
		broken: "A state is added to, however soon its key ends.",
		caught: "Expiry",
		limits: tokenBuckets,
		open:   edited("cell + 3 * g < till or ", ""),
	},
	{
		name:   "PromiseGoesOn",
		broken: "A state is added to so that it promises more than it did.",
		caught: "Promises",
		limits: tokenBuckets,
		open:   edited(" or t >= cell + g", ""),
	},
	{
		name:   "PromiseIsNotKept",
		broken: "A state that promises that its key is kept is written for no longer than it must be.",
		caught: "Expiry",
		limits: tokenBuckets,
		open:   edited("if kept then reset = kept + 1000000 - now end", ""),
	},
	{
		name:   "PromiseOfAnotherPeriod",
		broken: "A state is added to, although a limit with a longer Period needs it for longer.",
		caught: "Promises",
		limits: slidingWindows,
		open:   edited(" or s + span * 1000000 < till", ""),
	},
	{
		name:   "AddsNoTime",
		broken: "In Lua alone, what is added to a state does not make it a later one.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("format(form, more, (on - low) / 1000000000, low)", "format(form, more, 0, 0)"),
	},
	{
		name:   "AddsWithoutLife",
		broken: "A state is added to that promises nothing.",
		caught: "Expiry",
		limits: tokenBuckets,
		open:   edited("local g = grid[whole and k or k - 10]\n", "local g = grid[whole and k or k - 10] or whole and grid[9]\n"),
	},
	{
		name:   "PutsMorePromises",
		broken: "A state that is put in the place of another promises more than that did.",
		caught: "Promises",
		limits: tokenBuckets,
		open:   edited("separate(u, t, f, k - 10)", "separate(u, t, f, 9)"),
	},
}
