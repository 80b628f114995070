// Package redistest starts real redis-servers for tests, and breaks them on
// request: pauses, kills and restarts them.
//
// It imports the standard library only, so that it tests every driver and
// depends on none. What it starts listens on 127.0.0.1 only, keeps its files in
// the test's temporary directory, and ends with the test.
package redistest

import (
	"os"
	"os/exec"
	"testing"
)

// binary is the program that is looked for in PATH.
const binary = "redis-server"

// Available reports whether a redis-server is installed.
func Available() bool {
	_, err := exec.LookPath(binary)
	return err == nil
}

// Race reports whether the race detector watches.
var Race bool

// NotEmbedded skips a test on the embedded Redis where the race detector watches and a
// real Redis has the same test.
func NotEmbedded(t testing.TB) {
	t.Helper()
	if Race && Available() {
		t.Skip("-race makes the embedded Redis's Lua ten times as slow, and finds nothing in it: run without it")
	}
}

// Binary returns the path of redis-server. Where there is none it skips the
// test, saying what would enable it; in CI, which sets CI=true, it fails the test.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath(binary)
	if err == nil {
		return path
	}
	missing(t, "redis-server not found: apt-get install redis-server to run this test on real Redis")
	return ""
}

// missing skips a test for want of what is said, and fails it in CI.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}
