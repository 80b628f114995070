package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
)

// Every driver with every algorithm, on both kinds of Redis, admits exactly the limit. On
// a real Redis it does so again when the program is run again.
func TestQuickstart(t *testing.T) {
	for _, driver := range []string{"goredis", "rueidis"} {
		for _, algorithm := range []string{"tokenbucket", "slidingwindow", "log"} {
			args := []string{"-driver", driver, "-algorithm", algorithm, "-rate", "10", "-period", "8760h"}
			t.Run("Embedded/"+driver+"/"+algorithm, func(t *testing.T) {
				out := succeed(t, args...)
				requireTable(t, out, 10)
				require.Regexp(t, `user:alice asks again after \S+: denied\nuser:alice asks again after \S+: allowed\n`, out)
				require.Contains(t, out, "go run ./examples/quickstart -redis redis://localhost:6379\n")
			})
			t.Run("Real/"+driver+"/"+algorithm, func(t *testing.T) {
				args := append(args, "-redis", redistest.Start(t).URL())
				for range 2 {
					out := succeed(t, args...)
					requireTable(t, out, 10)
					require.Regexp(t, `user:alice may ask again after \S+, which is too long to wait for here\n`, out)
				}
			})
		}
	}
}

func TestBurst(t *testing.T) {
	requireTable(t, succeed(t, "-rate", "1", "-period", "1h", "-burst", "12"), 12)
}

func TestNobodyDenied(t *testing.T) {
	out := succeed(t, "-rate", "100")
	requireTable(t, out, 100)
	require.Contains(t, out, "user:alice asks again after 0s: allowed\n")
}

// The clock of a real Redis cannot be moved, so the program waits: here for 2 ms.
func TestWait(t *testing.T) {
	out := succeed(t, "-rate", "500", "-burst", "10", "-redis", redistest.Start(t).URL())
	require.Regexp(t, `user:alice asks again after \S+: allowed\n`, out)
}

func TestRedisDown(t *testing.T) {
	for _, driver := range []string{"goredis", "rueidis"} {
		var stdout, stderr bytes.Buffer
		code := run([]string{"-driver", driver, "-redis", "redis://127.0.0.1:1"}, &stdout, &stderr)
		require.Equal(t, 1, code)
		require.Regexp(t, "not decided by Redis: [1-8] requests were allowed and 0 denied in degraded mode", stderr.String())
		require.Regexp(t, `class \[(breaker )?refused\]`, stderr.String()) // three calls that fail at once open the breaker
		require.NotContains(t, stdout.String(), "identity", "a table of guesses")
	}
}

func TestBadFlags(t *testing.T) {
	for _, test := range []struct {
		args, want string
	}{
		{"-driver memory", `bad -driver "memory": must be goredis or rueidis`},
		{"-algorithm leaky", `bad -algorithm "leaky": must be tokenbucket, slidingwindow or log`},
		{"-rate 0", `bad -rate, -period or -burst: ratelimit: tokenbucket: Rate is 0`},
		{"-rate many", `invalid value "many" for flag -rate`},
		{"-period -1s", `bad -rate, -period or -burst: ratelimit: tokenbucket: Period is -1s`},
		{"-burst -1", `bad -rate, -period or -burst: ratelimit: tokenbucket: Burst is -1`},
		{"-burst 5 -algorithm slidingwindow", `bad -burst 5: only -algorithm tokenbucket has one`},
		{"-burst 5 -algorithm log", `bad -burst 5: only -algorithm tokenbucket has one`},
		{"-redis http://localhost", `bad -redis: goredis: Open: `},
		{"-colour", `flag provided but not defined: -colour`},
		{"now", `unexpected argument "now"`},
	} {
		t.Run(test.args, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			require.Equal(t, 2, run(strings.Fields(test.args), &stdout, &stderr))
			require.Contains(t, stderr.String(), "quickstart: "+test.want)
			require.Empty(t, stdout.String())
		})
	}
}

func TestHelp(t *testing.T) {
	require.Contains(t, succeed(t, "-h"), "-algorithm")
}

// succeed runs the program and returns what it prints.
func succeed(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(args, &stdout, &stderr)
	require.Empty(t, stderr.String())
	require.Zero(t, code)
	return stdout.String()
}

// requireTable checks the table's first five columns.
func requireTable(t *testing.T, out string, limit int) {
	t.Helper()
	for identity, asked := range map[string]int{"user:alice": 40, "user:bob": 24, "user:carol": 8} {
		allowed := min(asked, limit)
		row := fmt.Sprintf(`(?m)^%s +%d +%d +%d +%d `, identity, asked, allowed, asked-allowed, limit-allowed)
		require.Regexp(t, row, out)
	}
}
