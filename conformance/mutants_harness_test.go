package conformance

// harnessMutants have slips in the harness for one limit: in one of its two
// paths, which are for a request alone and for several.
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
		open:   edited("local a, b, c = as[key], bs[key], cs[key]", "local a, b, c"),
	},
	{
		name:   "SeveralShareTheFirstKey",
		broken: "Of several requests, all are decided by the first key.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("local key = place % 65536", "local key = 1"),
	},
	{
		name:   "SeveralDelete",
		broken: "After several requests, a state with less than a minute to live is deleted.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("if reset > 0 then\n    redis.call('SET', KEYS[key]", "if reset > 60000000 then\n    redis.call('SET', KEYS[key]"),
	},
	{
		name:   "RepeatsOnce",
		broken: "Of several requests that follow at once, the first alone is decided.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("until more < 0 or retry ~= 0", "until true"),
	},
	{
		name:   "RepeatsAfterADenial",
		broken: "Of requests that follow at once, those after the first that is denied are answered too.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("until more < 0 or retry ~= 0", "until more < 0"),
	},
	{
		name:   "RepeatsForget",
		broken: "Of requests that follow at once, each sees the state from before the first.",
		caught: "Model",
		limits: tokenBuckets,
		open:   edited("        a, b, c = a2, b2, c2\n        as[key], bs[key], cs[key], resets[key] = a, b, c, reset", "        as[key], bs[key], cs[key], resets[key] = a2, b2, c2, reset"),
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
		open:   edited("ones = ones + 1", "ones = ones + 2"),
	},
}
