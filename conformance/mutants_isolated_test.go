package conformance

import "github.com/distributed-rate-limiter/ratelimit/algorithm"

// isolatedMutants have Lua that goes by more than its arguments.
var isolatedMutants = []mutant{
	{
		name:   "ReadsTheClock",
		broken: "The Lua reads the server's clock itself.",
		caught: "Isolated",
		limits: spoil(tokenBuckets, inLuaAlone(`
local t = redis.call('TIME')
return whole(a, b, c, t[1] * 1000000 + t[2], n, ...)`)),
	},
	{
		name:   "UsesTheHarnessClock",
		broken: "The Lua uses a local of the harness instead of the time that it is given.",
		caught: "Isolated",
		limits: spoil(tokenBuckets, func(p *algorithm.Plan) {
			p.Lua += "\nlocal whole = step\nstep = function(a, b, c, _, n, ...) return whole(a, b, c, now, n, ...) end\n"
		}),
	},
	{
		name:   "CallsRedis",
		broken: "The Lua looks at its key.",
		caught: "Isolated",
		limits: spoil(tokenBuckets, inLuaAlone(`
redis.call('EXISTS', KEYS[1])
return whole(a, b, c, now, n, ...)`)),
	},
	{
		name:   "LogsWhatIsOdd",
		broken: "The Lua writes a line to Redis's log where a state is from the far future.",
		caught: "Isolated",
		limits: spoil(tokenBuckets, inLuaAlone(`
if b > now + 3600000000 then redis.log(redis.LOG_WARNING, 'from the far future') end
return whole(a, b, c, now, n, ...)`)),
	},
	{
		name:   "RollsDice",
		broken: "The Lua denies at random, once in a million times.",
		caught: "Isolated",
		limits: spoil(tokenBuckets, inLuaAlone(`
if math.random(1000000) == 1 then return 1, 0, 1, a, b, c end
return whole(a, b, c, now, n, ...)`)),
	},
}

// inLuaAlone spoils the Lua and leaves Step as it is.
func inLuaAlone(lua string) func(*algorithm.Plan) {
	return alsoIn(lua, func(_ *algorithm.Plan, whole stepFunc) stepFunc { return whole })
}
