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

// TestSecurityDocument checks that the tests that SECURITY.md names exist, and that its code
// is part of a test file, and so is compiled.
func TestSecurityDocument(t *testing.T) {
	document, err := os.ReadFile("SECURITY.md")
	require.NoError(t, err)
	var tests string
	require.NoError(t, filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		tests += string(source)
		return err
	}))
	names := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)(…?)`").FindAllStringSubmatch(string(document), -1)
	require.Greater(t, len(names), 10)
	for _, name := range names {
		declared := "func " + name[1]
		if name[2] == "" {
			declared += "("
		}
		require.Contains(t, tests, declared)
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(document), -1)
	require.NotEmpty(t, blocks)
	for _, block := range blocks {
		require.Contains(t, flat(tests), flat(block[1]))
	}
}
