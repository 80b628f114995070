package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
)

const decided = `  allowed true   remaining 2  retry after 0s
  allowed true   remaining 1  retry after 0s
  allowed true   remaining 0  retry after 0s
  allowed false  remaining 0  retry after 20m0s
`

func TestOwnServer(t *testing.T) {
	var stdout, stderr bytes.Buffer
	require.Zero(t, run(nil, &stdout, &stderr), &stderr)
	require.Contains(t, stdout.String(), "as user limiter of 127.0.0.1:")
	require.True(t, strings.HasSuffix(stdout.String(), decided), &stdout)
	require.Empty(t, stderr.String())
}

// TestRealServer runs the program on a redis-server with TLS, as the user that SECURITY.md
// describes, whose permissions must suffice.
func TestRealServer(t *testing.T) {
	text, err := os.ReadFile("../../SECURITY.md")
	require.NoError(t, err)
	rule := regexp.MustCompile(`(?m)^ACL SETUSER limiter .*$`).FindString(string(text))
	require.Contains(t, rule, " ~myapp:* ")
	rule = strings.NewReplacer("~myapp:*", "~customclient:*", "CHANGE-ME", "secret").Replace(rule)

	authority := redistest.NewAuthority(t)
	redis, url := redistest.StartTLS(t, authority, authority.Issue(t))
	redis.MustDo(t, strings.Fields(rule)...)
	t.Setenv("REDIS_PASSWORD", "secret")
	args := []string{"-redis", strings.TrimPrefix(url, "rediss://"), "-user", "limiter", "-ca"}
	var stdout, stderr bytes.Buffer
	require.Zero(t, run(append(args, authority.File), &stdout, &stderr), &stderr)
	require.True(t, strings.HasSuffix(stdout.String(), decided), &stdout)
	require.Empty(t, redis.MustDo(t, "ACL", "LOG"), "the user was refused nothing")

	// A certificate of another authority is refused, and so is a wrong password, which
	// must not appear in the message.
	require.Equal(t, 1, run(append(args, redistest.NewAuthority(t).File), &stdout, &stderr))
	require.Contains(t, stderr.String(), "certificate signed by unknown authority")
	t.Setenv("REDIS_PASSWORD", "wrong-one")
	stderr.Reset()
	require.Equal(t, 1, run(append(args, authority.File), &stdout, &stderr))
	require.Contains(t, stderr.String(), "WRONGPASS")
	require.NotContains(t, stderr.String(), "wrong-one")
}

func TestBadFlags(t *testing.T) {
	for args, want := range map[string]string{
		"-redis localhost:1":                "bad -ca: open",
		"-redis localhost:1 -ca main.go":    `bad -ca: "main.go" has no certificate`,
		"-redis localhost:1 -ca /dev/null":  "has no certificate",
		"-rate 1":                           "-rate",
		"-redis localhost:1 -ca nobody.pem": "nobody.pem",
	} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, 2, run(strings.Fields(args), &stdout, &stderr))
		require.Contains(t, stderr.String(), want)
	}
}
