// Package linearizable decides whether concurrent callers of a limit got answers that they
// could have got one after the other.
package linearizable

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// Call is one decision.
type Call struct {
	Caller int    // from 0
	Key    string // the key whose state decided
	N      int64
	// Begin and End are when the call was made and answered, by the callers' clock.
	Begin, End time.Time
	// Now is when the call was decided, by the server's clock, in µs.
	Now int64
	Out algorithm.Outcome
}

// timeout is how long the search may take.
const timeout = time.Minute

// Check returns nil if there is an order of the calls in which plan, starting from no state
// for each key, gives each call the answer that it got. The order must agree with the
// server's time, by which each call is a single instant, and with the callers' time: a call
// that was made after another one was answered must not be decided before that one.
//
// Otherwise the error says what is wrong. If the search found no order, or took too long, the
// error also names an HTML file with a picture of the history.
func Check(plan *algorithm.Plan, calls []Call) error {
	if err := inOrder(calls); err != nil {
		return err
	}
	m := model(plan)
	result, info := porcupine.CheckOperationsVerbose(m, history(calls), timeout)
	if result == porcupine.Ok {
		return nil
	}
	what := "no order of the calls explains the answers"
	if result == porcupine.Unknown {
		what = fmt.Sprintf("not decided within %v whether an order of the calls explains the answers", timeout)
	}
	path, err := draw(m, info)
	if err != nil {
		return fmt.Errorf("%s (%d calls; no picture: %w)", what, len(calls), err)
	}
	return fmt.Errorf("%s (%d calls); the picture is in %s", what, len(calls), path)
}

// history makes an interval of each call, so that calls that were decided in the same µs
// overlap, and no others do. Among overlapping calls, those that change nothing begin first,
// so that the search meets them before it changes the state that they saw, and need not
// backtrack.
func history(calls []Call) []porcupine.Operation {
	calls = slices.SortedStableFunc(slices.Values(calls), func(a, b Call) int {
		return cmp.Or(cmp.Compare(a.Now, b.Now), cmp.Compare(a.takes(), b.takes()))
	})
	operations := make([]porcupine.Operation, len(calls))
	width := int64(len(calls) + 1)
	for i, c := range calls {
		begin := (c.Now - calls[0].Now) * width
		operations[i] = porcupine.Operation{ClientId: c.Caller, Input: c, Output: c.Out, Call: begin, Return: begin + width - 1}
		if i > 0 && c.Now == calls[i-1].Now {
			operations[i].Call = operations[i-1].Call + 1
		}
	}
	return operations
}

// takes returns how many units the call took.
func (c Call) takes() int64 {
	if !c.Out.Allowed() {
		return 0
	}
	return c.N
}

// inOrder checks, for each key, that the server's time agrees with the callers'.
func inOrder(calls []Call) error {
	byKey := map[string][]Call{}
	for _, c := range calls {
		byKey[c.Key] = append(byKey[c.Key], c)
	}
	for key, calls := range byKey {
		asked := slices.SortedFunc(slices.Values(calls), func(a, b Call) int { return a.Begin.Compare(b.Begin) })
		answered := slices.SortedFunc(slices.Values(calls), func(a, b Call) int { return a.End.Compare(b.End) })
		var latest Call // the last to be decided of the calls that were answered before c was made
		for _, c := range asked {
			for len(answered) > 0 && answered[0].End.Before(c.Begin) {
				if answered[0].Now > latest.Now {
					latest = answered[0]
				}
				answered = answered[1:]
			}
			if c.Now < latest.Now {
				return fmt.Errorf("a call on key %s was decided at %d by the server's clock, %d µs before another one that was answered %v before this was asked: a stale answer, or a clock that was set back",
					key, c.Now, latest.Now-c.Now, c.Begin.Sub(latest.End))
			}
		}
	}
	return nil
}

func model(plan *algorithm.Plan) porcupine.Model {
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			byKey := map[string][]porcupine.Operation{}
			for _, op := range history {
				key := op.Input.(Call).Key
				byKey[key] = append(byKey[key], op)
			}
			parts := make([][]porcupine.Operation, 0, len(byKey))
			for _, key := range sorted(byKey) {
				parts = append(parts, byKey[key])
			}
			return parts
		},
		Init: func() any { return "" },
		Step: func(state, input, output any) (bool, any) {
			c := input.(Call)
			next, out := plan.Step(state.(string), c.Now, c.N)
			return out == output.(algorithm.Outcome), next
		},
		DescribeOperation: func(input, output any) string {
			c, out := input.(Call), output.(algorithm.Outcome)
			verdict := "allowed"
			if !out.Allowed() {
				verdict = fmt.Sprintf("denied, retry %d µs", out.RetryAfter)
			}
			return fmt.Sprintf("%d units at …%06d: %s, %d remain, reset %d µs", c.N, c.Now%1e6, verdict, out.Remaining, out.ResetAfter)
		},
		DescribeState: func(state any) string { return fmt.Sprintf("%q", state) },
	}
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func draw(m porcupine.Model, info porcupine.LinearizationInfo) (string, error) {
	f, err := os.CreateTemp("", "ratelimit-history-*.html")
	if err != nil {
		return "", err
	}
	if err := porcupine.Visualize(m, info, f); err != nil {
		return "", cmp.Or(f.Close(), err)
	}
	return f.Name(), f.Close()
}
