package main

import (
	"flag"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	s, err := parse(nil, io.Discard)
	require.NoError(t, err)
	require.Len(t, s.contestants, len(contestants()))
	require.Len(t, s.workloads, 8)
	require.Equal(t, 5, s.rounds)
	require.Equal(t, 100_000, s.keys)
	measuring := time.Duration(len(s.contestants)*len(s.workloads)*s.rounds) * s.time
	require.LessOrEqual(t, measuring, 7*time.Minute, "what remains of nine minutes is for warming up")

	s, err = parse([]string{"-only", "^redis_rate$", "-workload", "1 caller|hot", "-time", "20ms", "-growth", "-redis", "h:1"}, io.Discard)
	require.NoError(t, err)
	require.Len(t, s.contestants, 1)
	require.Len(t, s.workloads, 4)
	require.True(t, s.growth)
	require.Equal(t, "h:1", s.redis)
}

// TestParseErrors checks that each error names the flag and the value.
func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ args, flag, value, why string }{
		{"-time 0s", "-time", "0s", "from 1ms"},
		{"-time 2h", "-time", "2h", "to 1m0s"},
		{"-time fast", "-time", `"fast"`, "invalid"},
		{"-rounds 0", "-rounds", "0", "from 1"},
		{"-rounds x", "-rounds", `"x"`, "invalid"},
		{"-keys -3", "-keys", "-3", "from 1"},
		{"-pool -1", "-pool", "-1", "from 0"},
		{"-only (", "-only", `"("`, "regular expression"},
		{"-only nobody", "-only", `"nobody"`, "redis_rate; redis_rate on AutoPipeline"},
		{"-workload [", "-workload", `"["`, "regular expression"},
		{"-workload none", "-workload", `"none"`, "512 callers, hot denied"},
		{"-nosuch", "-nosuch", "-nosuch", "not defined"},
		{"report.md", "flags", `"report.md"`, "unexpected"},
	} {
		_, err := parse(strings.Fields(c.args), io.Discard)
		require.Error(t, err, c.args)
		for _, part := range []string{c.flag, c.value, c.why} {
			require.Contains(t, err.Error(), part, c.args)
		}
	}
}

// TestHelp checks that the help names everything that can be chosen, and nothing hidden.
func TestHelp(t *testing.T) {
	var help strings.Builder
	_, err := parse([]string{"-h"}, &help)
	require.ErrorIs(t, err, flag.ErrHelp)
	for _, part := range []string{"-only", "-workload", "-time", "-rounds", "-keys", "-pool", "-redis", "-growth", "-charts"} {
		require.Contains(t, help.String(), "  "+part)
	}
	for _, c := range contestants() {
		require.Contains(t, help.String(), c.name)
	}
	require.NotContains(t, help.String(), childFlag)
}
