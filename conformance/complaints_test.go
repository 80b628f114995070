package conformance

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestComplaints: of many failures of one kind, only the first few are printed.
func TestComplaints(t *testing.T) {
	r := &recorder{scope: scope{TB: t}}
	c := complain(r)
	require.False(t, r.Failed())
	for i := range 100 {
		c.Errorf("bad run %d", i)
	}
	c.Errorf("another fault")
	require.True(t, r.Failed())
	require.Equal(t, []string{
		"bad run 0", "bad run 1", "bad run 2", "… and so on: further failures of this kind are not printed", "another fault",
	}, strings.Split(strings.TrimSpace(r.text.String()), "\n"))
}

// TestSocketHint: if a Store seems to look at ctx.Err() alone, the failure says why that is
// not enough, but not for each run.
func TestSocketHint(t *testing.T) {
	place := slices.IndexFunc(contextMutants, func(m mutant) bool { return m.name == "MakesUpTimeouts" })
	s := contextMutants[place].subject(t)
	for _, c := range storeChecks {
		if c.name != "ContextEnds" && c.name != "Neighbours" {
			continue
		}
		r := record(t, c, s)
		for again := 0; !r.Failed() && again < 3; again++ { // on a slow machine the fault may not show at once
			r = record(t, c, s)
		}
		require.True(t, r.Failed(), c.name)
		require.Contains(t, r.output(), "ctx.Deadline()", c.name)
		require.LessOrEqual(t, strings.Count(r.output(), "want: an error that wraps context deadline exceeded"), enough, c.name)
	}
}
