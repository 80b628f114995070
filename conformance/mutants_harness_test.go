package conformance

import (
	"time"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// harnessMutants have slips in the harness for one limit: in its path for a single request,
// in its path for several, or in both.
var harnessMutants = []mutant{
	{
		name:   "WritesLooks",
		broken: "A look writes the state that it has seen.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("if n > 0 and (a2 ~= a", "if (a2 ~= a"),
	},
	{
		name:   "RaisesOnOtherTypes",
		broken: "A key of another type than a string makes the script fail.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("redis.pcall('GET', KEYS[1])", "redis.call('GET', KEYS[1])"),
	},
	{
		name:   "AloneForgets",
		broken: "A request alone does not write what a fresh identity has taken.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("  if n > 0 and (a2 ~= a", "  if n > 0 and texts and (a2 ~= a"),
	},
	{
		name:   "AloneInMilliseconds",
		broken: "A request alone is answered in milliseconds.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("return {now, retry, remaining, reset}", "return {now, math.ceil(retry / 1000), remaining, math.ceil(reset / 1000)}"),
	},
	{
		name:   "NamesAnotherTime",
		broken: "The reply names an instant one microsecond after that of the decision.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("return {now, retry", "return {now + 1, retry"),
	},
	{
		name:   "SeveralForget",
		broken: "Of several requests of one key, each sees the state from before the run.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("a, b, c = as[key], bs[key], cs[key]", "a, b, c = nil, nil, nil"),
	},
	{
		name:   "SeveralShareTheFirstKey",
		broken: "Of several requests, all are decided by the first key.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("key = place % 65536", "key = 1"),
	},
	{
		name:   "SeveralDelete",
		broken: "After several requests, a state with less than a minute to live is deleted.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("if reset and reset > 0 then", "if reset and reset > 60000000 then"),
	},
	{
		name:   "RepeatsOnce",
		broken: "Of several requests that follow at once, the first alone is decided.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("until follow < 0 or retry ~= 0", "until true"),
	},
	{
		name:   "RepeatsAfterADenial",
		broken: "Of requests that follow at once, those after the first that is denied are answered too.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("until follow < 0 or retry ~= 0", "until follow < 0"),
	},
	{
		name:   "RepeatsForget",
		broken: "Of requests that follow at once, each sees the state from before the first.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("a, b, c, taken = a2, b2, c2, reset", "as[key], bs[key], cs[key], resets[key] = a2, b2, c2, reset"),
	},
	{
		name:   "CountsTooMany",
		broken: "Of requests that follow at once, one more is counted than was allowed.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("-3, count, more", "-3, count + 1, more"),
	},
	{
		name:   "CountsTooFew",
		broken: "Of requests that follow at once, one fewer is counted than was allowed, if that is any.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("-3, count, more", "-3, math.max(1, count - 1), more"),
	},
	{
		name:   "CountsDenials",
		broken: "Of requests that follow at once, what is denied is counted too.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("if retry == 0 and remaining == left - n and (", "if left >= 0 and ("),
	},
	{
		name:   "CountsTheFirst",
		broken: "Of requests that follow at once, the first is counted where it continues those of another key.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("    local left, before = -1, 0", "", "local count, more = 0, 0", "local count, more, left, before = 0, 0, -1, 0"),
	},
	{
		name:   "CountsUneven",
		broken: "Requests are counted together although one prolongs ResetAfter by a microsecond more than another.",
		caught: "Model",
		limits: unevenBuckets,
		open:   edited("(reset - before == more or count == 0)", "true"),
	},
	{
		name:   "CountsFromTheFirst",
		broken: "Of requests that are counted, ResetAfter is told as it grows from the first on.",
		caught: "Model",
		limits: unevenBuckets,
		open:   edited("left, before = remaining, reset", "left, before = remaining, before == 0 and reset or before"),
	},
	{
		name:   "LeapsTooFar",
		broken: "Of requests that are decided by one step, there is one more than was asked for.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("math.min(follow, (remaining", "math.min(follow + 1, (remaining"),
	},
	{
		name:   "LeapsUneven",
		broken: "Requests are decided by one step although one prolongs ResetAfter by a microsecond more than another.",
		caught: "Model",
		limits: unevenBuckets,
		open:   edited(" and long == reset + k * more then", " then"),
	},
	{
		name:   "LeapForgets",
		broken: "What was decided by one step is not taken.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("a, b, c, taken = a3, b3, c3, long", ""),
	},
	{
		name:   "LeapKeepsTheTTL",
		broken: "What was decided by one step does not prolong the time to live.",
		caught: "Expiry",
		limits: tokenBuckets,
		open:   edited("a, b, c, taken = a3, b3, c3, long", "a, b, c = a3, b3, c3"),
	},
	{
		name:   "OnesTakeTwo",
		broken: "A request that is given by its key alone takes two units.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited(steps+"now, 1, p1", steps+"now, 2, p1"),
	},
	{
		name:   "OnesSkip",
		broken: "Of the requests that are given by their keys alone, every second is left out.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("for key = ones, #KEYS do", "for key = ones, #KEYS, 2 do"),
	},
}

// unevenBuckets are limits under which a unit comes back after a time that is no whole number
// of microseconds, so that some units seem to take a microsecond longer than others.
var unevenBuckets = []algorithm.Algorithm{
	bucket(7, 10*time.Second, 0),
	bucket(700, 1000*time.Second, 0),
}
