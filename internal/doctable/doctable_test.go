package doctable

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// failing is a test that only notes that it was failed.
type failing struct {
	testing.TB
	failed bool
}

func (f *failing) Helper()               {}
func (f *failing) Fatal(...any)          { f.failed = true }
func (f *failing) Fatalf(string, ...any) { f.failed = true }

func TestCheck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.md")
	fails := func(table string, update bool) bool {
		f := &failing{TB: t}
		Check(f, path, "x", table, update, "this")
		return f.failed
	}
	require.NoError(t, os.WriteFile(path, []byte("a\n"), 0o600))
	require.True(t, fails("| 1 |\n", false), "no place for it")
	require.NoError(t, os.WriteFile(path, []byte("a\n<!-- x: begin -->\n<!-- x: end -->\nb\n"), 0o600))
	require.True(t, fails("| 1 |\n", false))
	require.False(t, fails("| 1 |\n", true))
	require.False(t, fails("| 1 |\n", false))
	require.True(t, fails("| 2 |\n", false))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "a\n<!-- x: begin -->\n| 1 |\n<!-- x: end -->\nb\n", string(text))
}
