package conformance

// jointMutants have slips in the harness for several limits.
var jointMutants = []mutant{
	{
		name:   "ChargesTheFirst",
		broken: "Where a later limit denies, the first takes its units all the same.",
		caught: "Joint",
		limits: tokenBuckets,
		open: edited("_, remaining, reset = decide(j, key, 0)",
			"_, remaining, reset = decide(j, key, 0)\n      if j == 1 then as[key], bs[key], cs[key], resets[key] = as2[j], bs2[j], cs2[j], resets2[j] end"),
	},
	{
		name:   "ReportsWhatWasNotTaken",
		broken: "Where one limit denies, those that would allow report what would then remain.",
		caught: "Joint",
		limits: tokenBuckets,
		open:   edited("_, remaining, reset = decide(j, key, 0)", ""),
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
		open:   edited("retries[j] == 0 or n == 0 and retries[j] ~= -2", "retries[j] == 0"),
	},
	{
		name:   "OneNForAll",
		broken: "All limits are asked for as many units as the first.",
		caught: "Joint",
		limits: tokenBuckets,
		open:   edited("ns[j], keys[j] = n, key", "if j > 1 then n = ns[1] end ns[j], keys[j] = n, key"),
	},
	{
		name:   "SharesParams",
		broken: "All limits of one algorithm have the parameters of the first.",
		caught: "Joint",
		limits: tokenBuckets,
		open:   edited("ARGV[i] + 0\n  end", "ARGV[i - limits[j][4] + 1] + 0\n  end"),
	},
	{
		name:   "JointLookTakes",
		broken: "A look under several limits writes what it has seen.",
		caught: "Joint",
		limits: tokenBuckets,
		open:   edited("elseif ns[j] > 0 and retry ~= -2", "elseif retry ~= -2"),
	},
	{
		name:   "JointForgets",
		broken: "Under several limits, each request of a run sees the states from before it.",
		caught: "Joint",
		limits: tokenBuckets,
		open:   edited("if not owner[key] then", "if true then"),
	},
}
