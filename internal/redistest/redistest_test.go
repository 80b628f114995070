package redistest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// orphanEnv is set in the process that TestOrphan kills.
const orphanEnv = "REDISTEST_ORPHAN"

func TestMain(m *testing.M) {
	if os.Getenv(orphanEnv) != "" {
		os.Exit(m.Run()) // its parent kills it: nothing to check
	}
	goleak.VerifyTestMain(m)
}

// outcome is a test that records how a function ended it.
type outcome struct {
	testing.TB
	skipped, failed string
}

func (o *outcome) Helper() {}

func (o *outcome) Skip(args ...any) {
	o.skipped = args[0].(string)
	panic(o)
}

func (o *outcome) Fatal(args ...any) {
	o.failed = args[0].(string)
	panic(o)
}

// run runs f until it ends the test that it is given.
func run(f func(testing.TB)) (o *outcome) {
	o = &outcome{}
	defer func() {
		if ended := recover(); ended != nil && ended != any(o) {
			panic(ended)
		}
	}()
	f(o)
	return o
}

func TestBinaryMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	require.False(t, Available())
	const hint = "apt-get install redis-server"

	t.Setenv("CI", "")
	for name, f := range map[string]func(testing.TB){
		"Binary":       func(t testing.TB) { Binary(t) },
		"Start":        func(t testing.TB) { Start(t) },
		"StartCluster": func(t testing.TB) { StartCluster(t) },
	} {
		o := run(f)
		require.Contains(t, o.skipped, hint, name)
		require.Empty(t, o.failed, name)
	}

	t.Setenv("CI", "true")
	o := run(func(t testing.TB) { Binary(t) })
	require.Contains(t, o.failed, hint)
	require.Empty(t, o.skipped)
}

func TestBinary(t *testing.T) {
	path := Binary(t)
	require.True(t, Available())
	require.FileExists(t, path)
}

func TestWithoutRace(t *testing.T) {
	defer func(race bool) { Race = race }(Race)
	list := filepath.Join(t.TempDir(), "list")
	t.Setenv(leftOut, list)
	skip := func() *outcome { return run(func(o testing.TB) { WithoutRace(named{o, "TestA/b.c/d"}, "slow") }) }

	Race = false
	require.Empty(t, skip().skipped)
	require.NoFileExists(t, list)

	Race = true
	require.Equal(t, "slow: run without -race", skip().skipped)
	require.Equal(t, "slow: run without -race", skip().skipped)
	folder, err := os.Getwd()
	require.NoError(t, err)
	lines, err := os.ReadFile(list)
	require.NoError(t, err)
	require.Equal(t, strings.Repeat(folder+"\t"+`^TestA$/^b\.c$/^d$`+"\n", 2), string(lines))

	t.Setenv(leftOut, t.TempDir())
	o := skip()
	require.Empty(t, o.skipped)
	require.NotEmpty(t, o.failed, "CI would not run the test")
	t.Setenv(leftOut, "")
	require.NotEmpty(t, skip().skipped)
}

type named struct {
	testing.TB
	name string
}

func (n named) Name() string { return n.name }
