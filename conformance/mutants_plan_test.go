package conformance

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// planMutants are Plans that Compile must not return.
var planMutants = []mutant{
	{
		name:   "LimitInTheLua",
		broken: "The limit is a number in the Lua, so that each limit has a script of its own.",
		caught: "Plan",
		limits: spoil(tokenBuckets, func(p *algorithm.Plan) {
			alsoIn(fmt.Sprintf("return whole(a, b, c, now, n, %d, select(2, ...))", p.Limit), func(_ *algorithm.Plan, whole stepFunc) stepFunc { return whole })(p)
		}),
	},
	{
		name:   "ParamsComeAndGo",
		broken: "Params that are 0 are left out.",
		caught: "Plan",
		limits: spoil(tokenBuckets, func(p *algorithm.Plan) {
			for i, v := range p.Params {
				if v == 0 {
					p.Params = append(p.Params[:i:i], p.Params[i+1:]...)
					return
				}
			}
		}),
	},
	{
		name:   "CompilesByTheClock",
		broken: "The time of Compile is one of the Params.",
		caught: "Plan",
		limits: spoil(tokenBuckets, func(p *algorithm.Plan) { p.Params = append(p.Params, compiled.Add(1)) }),
	},
	{
		name:   "GrowsByCompiling",
		broken: "UnitSize is more each time that a limit is compiled.",
		caught: "Plan",
		limits: spoil(tokenBuckets, func(p *algorithm.Plan) { p.UnitSize = compiled.Add(1) }),
	},
	{
		name:   "CountsItsCalls",
		broken: "Step depends on how often it was called.",
		caught: "Pure",
		limits: spoil(tokenBuckets, func(p *algorithm.Plan) {
			whole, calls := p.Step, new(atomic.Int64)
			p.Step = func(state string, now, n int64) (string, algorithm.Outcome) {
				next, out := whole(state, now, n)
				out.ResetAfter += calls.Add(1) % 2
				return next, out
			}
		}),
	},
	{
		name:   "HasItsOwnClock",
		broken: "Step reads a clock, and leaves alone the time that it is given.",
		caught: "Pure",
		limits: spoil(tokenBuckets, func(p *algorithm.Plan) {
			whole := p.Step
			p.Step = func(state string, _, n int64) (string, algorithm.Outcome) {
				return whole(state, time.Now().UnixMicro(), n)
			}
		}),
	},
	{
		name:   "RemainingBelowZero",
		broken: "Remaining is less than 0 by what was asked for in vain.",
		caught: "Pure",
		limits: spoil(tokenBuckets, numbers("if retry > 0 then remaining = remaining - n end",
			func(_ stepFunc, _ string, _, n int64, out *algorithm.Outcome) {
				if out.RetryAfter > 0 {
					out.Remaining -= n
				}
			})),
	},
	{
		name:   "LimitTooHigh",
		broken: "Limit is one more than can be taken.",
		caught: "Fresh",
		limits: spoil(tokenBuckets, func(p *algorithm.Plan) { p.Limit++ }),
		twice:  true,
	},
	{
		name:   "BeginsInDebt",
		broken: "A fresh identity has taken a unit already.",
		caught: "Fresh",
		limits: spoil(tokenBuckets, alsoIn(`
if a == 0 and b == 0 and n > 0 then
	local retry, remaining, reset, a1, b1, c1 = whole(a, b, c, now, 1, ...)
	retry, remaining, reset, a1, b1, c1 = whole(a1, b1, c1, now, n, ...)
	if retry ~= 0 then a1, b1, c1 = a, b, c end
	return retry, remaining, reset, a1, b1, c1
end
return whole(a, b, c, now, n, ...)`,
			func(_ *algorithm.Plan, whole stepFunc) stepFunc {
				return func(state string, now, n int64) (string, algorithm.Outcome) {
					if state != "" || n == 0 {
						return whole(state, now, n)
					}
					begun, _ := whole(state, now, 1)
					next, out := whole(begun, now, n)
					if next == begun {
						next = state
					}
					return next, out
				}
			})),
	},
	{
		name:   "PromisesTheImpossible",
		broken: "More than can ever be had gets a time to wait.",
		caught: "Fresh",
		limits: spoil(tokenBuckets, numbers("if retry < 0 then retry = 1000000 end",
			func(_ stepFunc, _ string, _, _ int64, out *algorithm.Outcome) {
				if out.RetryAfter == algorithm.NeverRetry {
					out.RetryAfter = 1e6
				}
			})),
		twice: true,
	},
}

// compiled is a counter that makes the Plans of some mutants differ each time.
var compiled atomic.Int64
