package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
)

// TestSmoke runs the whole program, and checks that every contestant makes decisions.
func TestSmoke(t *testing.T) {
	redistest.Binary(t)
	charts := filepath.Join(t.TempDir(), "charts")
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"-time", "20ms", "-rounds", "1", "-keys", "2000", "-charts", charts}, nil, &stdout, &stderr)
	require.Zero(t, code, stderr.String())
	require.Equal(t, 1, strings.Count(stderr.String(), "measuring: 1 caller, distinct allowed: round"), stderr.String())
	sections := strings.Split(stdout.String(), "\n## ")
	for _, w := range workloads() {
		section := ""
		for _, s := range sections {
			if strings.HasPrefix(s, w.String()+"\n") {
				section = s
			}
		}
		require.NotEmpty(t, section, w)
		require.Equal(t, w.callers == 1, strings.Contains(section, "| median latency |"), w)
		for _, c := range contestants() {
			if c.pipeline > w.callers {
				continue
			}
			row := rowOf(section, c.name)
			require.NotEmpty(t, row, "%s: %s", w, c)
			if c.name == "throttled" && w.keys != uniform {
				continue // it fails if callers share a key, as the report should show
			}
			require.NotContains(t, row[0], "⚠", "%s: %s: %s", w, c, section)
			require.NotEqual(t, "0", row[1], "%s: %s", w, c)
		}
		picture, err := os.ReadFile(filepath.Join(charts, fileName(w.String())+".svg"))
		require.NoError(t, err)
		requireXML(t, picture)
	}
}

// rowOf returns the cells of a contestant's row.
func rowOf(section, name string) []string {
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		first := strings.NewReplacer("**", "", " ⚠", "", " (not distributed)", "").Replace(cells[0])
		if len(cells) > 1 && first == name {
			return cells
		}
	}
	return nil
}

// TestGrowth measures growth at small sizes.
func TestGrowth(t *testing.T) {
	s := redistest.Start(t)
	clients, err := newClients(t.Context(), s.Addr(), 0)
	require.NoError(t, err)
	defer clients.close()
	a := newAdmin(s.Addr())
	defer a.close()
	set, err := parse([]string{"-time", "20ms", "-rounds", "2", "-keys", "3000"}, nil)
	require.NoError(t, err)
	var progress bytes.Buffer
	l := &lab{settings: set, admin: a, clients: clients, identities: identities(set.keys), progress: &progress}
	all, err := l.measureGrowth(t.Context(), sizes{identities: []int{1000, 15000}, processes: []int{1, 2}, limiters: []int{1, 7}})
	require.NoError(t, err, progress.String())
	require.Len(t, all, 3)
	for _, g := range all {
		require.Len(t, g.points, 2)
		for _, p := range g.points {
			f := p.figures()
			require.Len(t, p.samples, 2)
			require.Zero(t, f.failed+f.wrong, "%s %d: %v", g.of, p.size, f.err)
			require.Positive(t, f.perSecond)
			require.Positive(t, f.redisCPU)
		}
		if g.memory {
			require.InDelta(t, 200, g.points[1].memory, 50)
			require.Positive(t, g.points[1].read)
		}
	}
	require.NoError(t, a.requireEmpty(t.Context()), "it leaves nothing behind")
}
