package conformance

import (
	"fmt"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// spoiled is an algorithm whose Plan is changed after it was compiled.
type spoiled struct {
	algorithm.Algorithm
	spoil func(*algorithm.Plan)
}

func (s spoiled) Compile() (*algorithm.Plan, error) {
	plan, err := s.Algorithm.Compile()
	if err != nil {
		return nil, err
	}
	s.spoil(plan)
	return plan, nil
}

func (s spoiled) String() string { return fmt.Sprintf(" %T%+v", s.Algorithm, s.Algorithm) }

// spoil returns the limits, with the Plan of each changed by how.
func spoil(limits []algorithm.Algorithm, how func(*algorithm.Plan)) []algorithm.Algorithm {
	all := make([]algorithm.Algorithm, len(limits))
	for i, l := range limits {
		all[i] = spoiled{l, how}
	}
	return all
}

// stepFunc is a Plan's Step.
type stepFunc func(state string, now, n int64) (string, algorithm.Outcome)

// alsoIn replaces Step, and step in the Lua. lua is the body of the new step, a function of
// a, b, c, now, n and the parameters. In either language, whole is the original function.
func alsoIn(lua string, step func(p *algorithm.Plan, whole stepFunc) stepFunc) func(*algorithm.Plan) {
	return func(p *algorithm.Plan) {
		before := *p
		p.Step = step(&before, before.Step)
		p.Additive = false // it may not hold any more
		p.Lua += "\nlocal whole = step\nstep = function(a, b, c, now, n, ...)\n" + lua + "\nend\n"
	}
}

// numbers changes outcomes in both languages, and leaves states as they are. lua may change
// retry, remaining and reset; a, b and c are the new state.
func numbers(lua string, change func(whole stepFunc, state string, now, n int64, out *algorithm.Outcome)) func(*algorithm.Plan) {
	return alsoIn("local retry, remaining, reset, a, b, c = whole(a, b, c, now, n, ...)\n"+lua+"\nreturn retry, remaining, reset, a, b, c",
		func(_ *algorithm.Plan, whole stepFunc) stepFunc {
			return func(state string, now, n int64) (string, algorithm.Outcome) {
				next, out := whole(state, now, n)
				change(whole, next, now, n, &out)
				return next, out
			}
		})
}
