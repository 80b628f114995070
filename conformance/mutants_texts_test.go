package conformance

import "github.com/distributed-rate-limiter/ratelimit/algorithm"

// textsMutants have Lua that fails or is wrong when it writes or reads a state's text, or that
// answers in fractions.
var textsMutants = []mutant{
	{
		name:   "WriteRaises",
		broken: "In Lua alone, write raises an error for a state from after 2100.",
		caught: "Texts",
		limits: spoil(tokenBuckets, luaBefore("write", "a, b, c, till", "if b > 4102444800000000 then error('too late') end")),
	},
	{
		name:   "AddRaises",
		broken: "In Lua alone, add raises an error if the new state is from before the old one.",
		caught: "Texts",
		limits: spoil(tokenBuckets, luaBefore("add", "a, b, c, k, a2, b2, c2, till", "if b2 < b then error('earlier') end")),
	},
	{
		name:   "ReadsTooLittle",
		broken: "In Lua alone, read takes what write has written of ten units or more for a fresh identity.",
		caught: "Texts",
		limits: spoil(tokenBuckets, luaBefore("read", "text", "if #text > 17 then return 0, 0, 0 end")),
	},
	{
		name:   "AnswersInFractions",
		broken: "In Lua alone, Remaining is not rounded; Redis cuts off what is no integer.",
		caught: "Texts",
		limits: spoil(tokenBuckets, luaBefore("step", "a, b, c, now, n, ...", `
local retry, remaining, reset, a2, b2, c2 = whole(a, b, c, now, n, ...)
if retry > 0 and reset > 0 then remaining = remaining + 1 - retry / (retry + 1) end
if true then return retry, remaining, reset, a2, b2, c2 end`)),
	},
}

// luaBefore puts first at the beginning of one of the Lua's functions. whole is the original.
func luaBefore(function, args, first string) func(*algorithm.Plan) {
	return func(p *algorithm.Plan) {
		p.Lua += "\ndo\nlocal whole = " + function + "\n" + function + " = function(" + args + ")\n" + first + "\nreturn whole(" + args + ")\nend\nend\n"
	}
}
