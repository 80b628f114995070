package ratelimit_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReadme checks that every Go block of the README is compiled: apart from indentation, it
// is part of an example or of the source. What the README says a block prints is the output of
// an example.
func TestReadme(t *testing.T) {
	readme, sources := holdToCode(t, "README.md", 5, "example_test.go", "store/store.go", "conformance/example_test.go")
	printed := regexp.MustCompile("(?s)prints\n\n```text\n(.*?)```").FindStringSubmatch(readme)
	require.NotNil(t, printed)
	require.Contains(t, sources, "// Output:\n// "+strings.Join(strings.Split(strings.TrimSpace(printed[1]), "\n"), "\n// "))
}

// TestMigrating does the same for docs/migrating.md. Its code for other libraries is part of
// the benchmarks, which import them.
func TestMigrating(t *testing.T) {
	holdToCode(t, "docs/migrating.md", 11, "migrating_test.go", "benchmarks/migrating_test.go")
}

// holdToCode requires that a document has at least that many Go blocks, and that each of them
// is part of one of the files. It returns the document's text, and that of the files without
// indentation.
func holdToCode(t *testing.T, name string, least int, files ...string) (text, sources string) {
	t.Helper()
	text = read(t, name)
	for _, file := range files {
		sources += flat(read(t, file))
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(text, -1)
	require.GreaterOrEqual(t, len(blocks), least)
	for _, block := range blocks {
		require.Contains(t, sources, flat(block[1]))
	}
	return text, sources
}

// TestLinks checks that the relative links of all documents lead to files and headings that
// exist.
func TestLinks(t *testing.T) {
	documents := 0
	require.NoError(t, filepath.WalkDir(".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".md" || strings.Contains(name, "testdata") {
			return err
		}
		documents++
		for _, link := range regexp.MustCompile(`\]\(([^):#]*)(?:#([^)]*))?\)`).FindAllStringSubmatch(read(t, name), -1) {
			target := name
			if link[1] != "" {
				target = filepath.Join(filepath.Dir(name), link[1])
			}
			_, err := os.Stat(target)
			require.NoError(t, err, "%s: %s", name, link[0])
			if link[2] != "" {
				require.Contains(t, headings(read(t, target)), link[2], "%s: %s", name, link[0])
			}
		}
		return nil
	}))
	require.Greater(t, documents, 8)
}

// headings returns the fragments of links to the headings of a document.
func headings(document string) (fragments []string) {
	for _, heading := range regexp.MustCompile("(?m)^#+ (.*)$").FindAllStringSubmatch(document, -1) {
		words := regexp.MustCompile(`[^\pL\pN _-]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		fragments = append(fragments, strings.ReplaceAll(words, " ", "-"))
	}
	return fragments
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(text)
}

// flat returns text without indentation.
func flat(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.Join(lines, "\n")
}
