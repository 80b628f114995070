package conformance

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("conformance.update", false, "write the table of mutants into README.md")

const (
	tableBegin = "<!-- mutants: begin -->\n"
	tableEnd   = "<!-- mutants: end -->\n"
)

// TestMutantTable holds README.md to the mutants that there are.
func TestMutantTable(t *testing.T) {
	const path = "README.md"
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(text), tableBegin)
	require.True(t, ok, "README.md has no line %q", tableBegin)
	_, after, ok := strings.Cut(rest, tableEnd)
	require.True(t, ok, "README.md has no line %q", tableEnd)
	want := before + tableBegin + table() + tableEnd + after
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(text), "go test ./conformance -run TestMutantTable -conformance.update mends it")
}

func table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| mutant | what is broken | caught by |\n|---|---|---|\n")
	for _, m := range mutants() {
		broken := m.broken
		if m.onRedis != "" {
			broken += " (On a real Redis only: " + m.onRedis + ".)"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", m.name, broken, m.caught)
	}
	return b.String()
}

// TestEveryCheckCatches: a check that catches nothing is either not needed or
// does not work.
func TestEveryCheckCatches(t *testing.T) {
	catches, names := map[string]bool{}, map[string]bool{}
	for _, m := range mutants() {
		require.False(t, names[m.name], "two mutants are called %s", m.name)
		names[m.name] = true
		require.True(t, slices.ContainsFunc(m.checks(), func(c check) bool { return c.name == m.caught }),
			"%s is to be caught by %s, with which it is not tried", m.name, m.caught)
		catches[m.caught] = true
	}
	for _, c := range slices.Concat(storeChecks, algorithmChecks, jointChecks) {
		require.True(t, catches[c.name], "no mutant is caught by %s first", c.name)
	}
}
