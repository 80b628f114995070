package ratelimit_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReadme holds the README to code that is compiled: every Go block of it
// stands, but for indentation, in an example or in the source.
func TestReadme(t *testing.T) {
	readme, sources := holdToCode(t, "README.md", 5, "example_test.go", "store/store.go", "conformance/example_test.go")
	printed := regexp.MustCompile("(?s)prints\n\n```text\n(.*?)```").FindStringSubmatch(readme)
	require.NotNil(t, printed)
	require.Contains(t, sources, "// Output:\n// "+strings.Join(strings.Split(strings.TrimSpace(printed[1]), "\n"), "\n// "))
}

// TestMigrating does the same for docs/migrating.md, whose code before the migration
// stands in the benchmarks, which have the other libraries.
func TestMigrating(t *testing.T) {
	holdToCode(t, "docs/migrating.md", 12, "migrating_test.go", "benchmarks/migrating_test.go")
}

// holdToCode requires that every Go block of a document, of which there are as many
// as least at least, stands in one of the files, and that its links lead to files. It
// returns the text of the document and of the files.
func holdToCode(t *testing.T, name string, least int, files ...string) (text, sources string) {
	t.Helper()
	document, err := os.ReadFile(name)
	require.NoError(t, err)
	for _, file := range files {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		sources += flat(string(source))
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(document), -1)
	require.GreaterOrEqual(t, len(blocks), least)
	for _, block := range blocks {
		require.Contains(t, sources, flat(block[1]))
	}
	for _, link := range regexp.MustCompile(`\]\(([^):#]+)\)`).FindAllStringSubmatch(string(document), -1) {
		_, err := os.Stat(filepath.Join(filepath.Dir(name), link[1]))
		require.NoError(t, err)
	}
	return string(document), sources
}

// flat drops indentation.
func flat(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.Join(lines, "\n")
}
