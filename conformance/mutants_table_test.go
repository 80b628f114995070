package conformance

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/doctable"
)

var update = flag.Bool("conformance.update", false, "write the tables of checks and mutants into README.md")

// mend is the command that writes the tables.
const mend = "go test ./conformance -run Table -conformance.update"

// TestCheckTable holds README.md to the checks that there are.
func TestCheckTable(t *testing.T) {
	doctable.Check(t, "README.md", "store checks", checkTable(storeChecks), *update, mend)
	doctable.Check(t, "README.md", "algorithm checks", checkTable(slices.Concat(algorithmChecks, jointChecks)), *update, mend)
}

func checkTable(checks []check) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| check | what it holds you to |\n|---|---|\n")
	for _, c := range checks {
		fmt.Fprintf(&b, "| %s | %s |\n", c.name, c.clause)
	}
	return b.String()
}

// TestMutantTable holds README.md to the mutants that there are.
func TestMutantTable(t *testing.T) {
	doctable.Check(t, "README.md", "mutants", table(), *update, mend)
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

// TestEveryCheckCatches: each check is the first to catch some mutant. A check that catches
// nothing is either not needed or does not work.
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
