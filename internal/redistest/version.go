package redistest

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// version is the version of Redis, or of the Redis that a Valkey is descended from.
type version struct{ major, minor int }

// Needs skips a test for which the redis-server in PATH is too old, and fails it in CI.
// Any Valkey is taken for Redis 7.2.
func Needs(t testing.TB, major, minor int) {
	t.Helper()
	said, err := exec.Command(Binary(t), "--version").Output()
	if err != nil {
		t.Fatalf("redistest: redis-server --version: %v", err)
	}
	have, ok := parseVersion(string(said))
	if !ok {
		t.Fatalf("redistest: redis-server --version said %q", said)
	}
	if have.major < major || have.major == major && have.minor < minor {
		missing(t, fmt.Sprintf("redis-server is %d.%d: this test needs %d.%d or later", have.major, have.minor, major, minor))
	}
}

// parseVersion reads "Redis server v=7.0.15 sha=…" and "Valkey server v=8.1.1 sha=…".
func parseVersion(said string) (v version, ok bool) {
	name, rest, _ := strings.Cut(said, " server v=")
	if name == "Valkey" {
		return version{7, 2}, true
	}
	n, _ := fmt.Sscanf(rest, "%d.%d.", &v.major, &v.minor)
	return v, n == 2
}
