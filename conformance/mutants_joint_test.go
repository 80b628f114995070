package conformance

// jointMutants have slips in the harness for several limits.
var jointMutants = []mutant{
	{
		name:   "ChargesTheFirst",
		broken: "Where a later limit denies, the first takes its units all the same.",
		caught: "Joint",
		limits: tokenBuckets,
		open: edited("f[2], f[3] = remaining, reset",
			"f[2], f[3] = remaining, reset\n      if j == 1 then as[key], bs[key], cs[key], resets[key] = f[4], f[5], f[6], f[3] end"),
	},
	{
		name:   "ReportsWhatWasNotTaken",
		broken: "Where one limit denies, those that would allow report what would then remain.",
		caught: "Joint",
		limits: tokenBuckets,
		open:   edited("f[2], f[3] = remaining, reset", ""),
	},
	{
		name:   "LastLimitDecides",
		broken: "Units are taken if the last limit allows.",
		caught: "Joint",
		limits: tokenBuckets,
		open:   edited("all = all and (", "all = ("),
	},
	{
		name:   "LookForbids",
		broken: "A limit that is only looked at, beside others that are asked for units, denies what they allow.",
		caught: "Joint",
		limits: tokenBuckets,
		open:   edited("retry == 0 or n == 0 and retry ~= -2", "retry == 0"),
	},
	{
		name:   "OneNForAll",
		broken: "All limits are asked for as many units as the first.",
		caught: "Joint",
		limits: tokenBuckets,
		open:   edited("ns[j], keys[j], found[j] =", "if j > 1 then n = ns[1] end ns[j], keys[j], found[j] ="),
	},
	{
		name:   "SharesParams",
		broken: "All limits of one algorithm have the parameters of the first.",
		caught: "Joint",
		limits: tokenBuckets,
		open:   edited("tonumber(ARGV[i])\n  end", "tonumber(ARGV[i - limits[j][4] + 1])\n  end"),
	},
	{
		name:   "JointLookTakes",
		broken: "A look under several limits writes what it has seen.",
		caught: "Joint",
		limits: tokenBuckets,
		open:   edited("elseif n > 0 and f[1] ~= -2", "elseif f[1] ~= -2"),
	},
	{
		name:   "JointForgets",
		broken: "Under several limits, each request of a run sees the states from before it.",
		caught: "Joint",
		limits: tokenBuckets,
		open:   edited("if not owner[key] then", "if true then"),
	},
}
