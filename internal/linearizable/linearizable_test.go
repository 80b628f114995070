package linearizable_test

import (
	"os"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/internal/linearizable"
)

const start = int64(1_790_000_000_000_000)

func plan(t *testing.T) *algorithm.Plan {
	p, err := tokenbucket.Limit{Rate: 1, Period: time.Second, Burst: 50}.Compile()
	require.NoError(t, err)
	return p
}

// history is one that a correct limit may give: every 10 µs, four overlapping calls on two
// keys are decided in one µs.
func history(p *algorithm.Plan) (calls []linearizable.Call) {
	states := map[string]string{}
	for i := range 200 {
		c := linearizable.Call{Caller: i % 8, Key: []string{"a", "b"}[i%2], N: int64(i % 3), Now: start + int64(i/4*10)}
		c.Begin = time.UnixMicro(c.Now - 5)
		c.End = time.UnixMicro(c.Now + 5)
		states[c.Key], c.Out = p.Step(states[c.Key], c.Now, c.N)
		calls = append(calls, c)
	}
	return calls
}

func TestRight(t *testing.T) {
	p := plan(t)
	calls := history(p)
	require.NoError(t, linearizable.Check(p, calls))
	slices.Reverse(calls)
	require.NoError(t, linearizable.Check(p, calls), "the order in which they are given says nothing")
	require.NoError(t, linearizable.Check(p, nil))
}

// TestWrong checks that one wrong answer among many is found, and the history drawn.
func TestWrong(t *testing.T) {
	p := plan(t)
	for name, spoil := range map[string]func([]linearizable.Call){
		"Remaining":   func(c []linearizable.Call) { c[100].Out.Remaining++ },
		"Reset":       func(c []linearizable.Call) { c[101].Out.ResetAfter-- },
		"Lost":        func(c []linearizable.Call) { c[4].N++ }, // more was asked for than was answered
		"Admitted":    func(c []linearizable.Call) { c[199].Out.RetryAfter = 0 },
		"Time":        func(c []linearizable.Call) { c[150].Now++ },
		"WrongKey":    func(c []linearizable.Call) { c[21].Key = "a" },
		"FirstOfKey":  func(c []linearizable.Call) { c[1].Out = algorithm.Outcome{RetryAfter: algorithm.NeverRetry} },
		"NotAtThatMu": func(c []linearizable.Call) { c[40].Out, c[80].Out = c[80].Out, c[40].Out },
	} {
		t.Run(name, func(t *testing.T) {
			calls := history(p)
			spoil(calls)
			err := linearizable.Check(p, calls)
			require.ErrorContains(t, err, "no order of the calls explains the answers (200 calls)")
			path := regexp.MustCompile(`\S+\.html$`).FindString(err.Error())
			picture, readErr := os.ReadFile(path)
			require.NoError(t, readErr)
			require.NoError(t, os.Remove(path))
			require.Contains(t, string(picture), "<html")
			require.Contains(t, string(picture), "units at")
		})
	}
}

// TestOrderOfCallers checks that a call is wrong if it was decided at an earlier time than a
// call that was answered before it was asked, even if its answer was right at that time.
func TestOrderOfCallers(t *testing.T) {
	p := plan(t)
	calls := history(p)
	calls[20].Begin, calls[20].End = calls[60].Begin, calls[60].End
	require.ErrorContains(t, linearizable.Check(p, calls), "a stale answer, or a clock that was set back")
	// An answer for another key says nothing.
	calls = history(p)
	for i := range calls {
		if calls[i].Key == "b" {
			calls[i].Begin, calls[i].End = calls[i].Begin.Add(time.Hour), calls[i].End.Add(time.Hour)
		}
	}
	require.NoError(t, linearizable.Check(p, calls))
}
