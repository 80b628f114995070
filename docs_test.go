package ratelimit_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReadme holds the README to code that is compiled: every Go block of it
// stands, but for indentation, in an example or in the source.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	var sources string
	for _, name := range []string{"example_test.go", "store/store.go", "conformance/example_test.go"} {
		source, err := os.ReadFile(name)
		require.NoError(t, err)
		sources += flat(string(source))
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	require.GreaterOrEqual(t, len(blocks), 5)
	for _, block := range blocks {
		require.Contains(t, sources, flat(block[1]))
	}
	printed := regexp.MustCompile("(?s)prints\n\n```text\n(.*?)```").FindStringSubmatch(string(readme))
	require.NotNil(t, printed)
	require.Contains(t, sources, "// Output:\n// "+strings.Join(strings.Split(strings.TrimSpace(printed[1]), "\n"), "\n// "))

	// Links to files of ours.
	for _, link := range regexp.MustCompile(`\]\(([^):#]+)\)`).FindAllStringSubmatch(string(readme), -1) {
		_, err := os.Stat(link[1])
		require.NoError(t, err)
	}
}

// flat drops indentation.
func flat(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.Join(lines, "\n")
}
