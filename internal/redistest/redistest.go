// Package redistest starts real redis-servers for tests, and breaks them on
// request: pauses, kills and restarts them.
//
// It imports the standard library only, so that it can test every driver and depends on
// none. The servers listen on 127.0.0.1 only, keep their files in the test's temporary
// directory, and end with the test.
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

// Race reports whether the race detector is on.
var Race bool

// NotEmbedded skips a test on the embedded Redis if the race detector is on and the same
// test can run on a real Redis.
func NotEmbedded(t testing.TB) {
	t.Helper()
	if Race && Available() {
		t.Skip("-race makes the embedded Redis's Lua ten times as slow, and finds nothing in it: run without it")
	}
}

// Binary returns the path of redis-server. If there is none, it skips the test, and says
// what would enable it. In CI, which sets CI=true, it fails the test instead.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath(binary)
	if err == nil {
		return path
	}
	missing(t, "redis-server not found: apt-get install redis-server to run this test on real Redis")
	return ""
}

// missing skips a test that lacks something, and fails it in CI. what says what is missing.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}
