package faults

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/internal/doctable"
)

var update = flag.Bool("faults.update", false, "write the table of faults into docs/failures.md")

// TestDocs checks that the table in docs/failures.md has exactly the faults of this package.
func TestDocs(t *testing.T) {
	doctable.Check(t, "../../docs/failures.md", "faults", table(), *update, "go test ./internal/faults -run TestDocs -faults.update")
}

func table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| fault | the caller sees, by when | observer's classes | charged | service returns |\n|---|---|---|---|---|\n")
	for _, f := range all {
		classes := list(f.classes)
		if classes == "" {
			classes = "none"
		}
		if len(f.rare) > 0 {
			classes += " (" + list(f.rare) + ")"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", f.name, f.caller, classes, f.charged, f.returns)
	}
	return b.String()
}

func list(classes []ratelimit.ErrorClass) string {
	var names []string
	for _, class := range classes {
		names = append(names, "`"+string(class)+"`")
	}
	return strings.Join(names, ", ")
}

// TestEveryFaultIsStated checks that each fault has a name of its own, and that no column of
// its row in the table is empty.
func TestEveryFaultIsStated(t *testing.T) {
	names := map[string]bool{}
	for _, f := range all {
		require.False(t, names[f.name], "two faults are called %s", f.name)
		names[f.name] = true
		for _, text := range []string{f.name, f.caller, f.charged, f.returns} {
			require.NotEmpty(t, text, f.name)
			require.NotContains(t, text, "|", f.name)
		}
		require.Equal(t, f.answers, len(f.classes)+len(f.rare) == 0, "%s: what Redis answers has no class of error, and what it does not has", f.name)
	}
}
