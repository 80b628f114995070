// Package redistest starts real redis-servers for tests, and breaks them on
// request: pauses, kills and restarts them.
//
// It imports the standard library only, so that it can test every driver and depends on
// none. The servers listen on 127.0.0.1 only, keep their files in the test's temporary
// directory, and end with the test.
package redistest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
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

// leftOut names the environment variable that WithoutRace reads.
const leftOut = "RACE_LEAVES_OUT"

// WithoutRace skips a test if the race detector is on, and says why the detector is no good
// for it. If RACE_LEAVES_OUT in the environment names a file, the test is listed there, as the
// folder of its package and a pattern for -run, so that CI can run it without the detector.
func WithoutRace(t testing.TB, why string) {
	t.Helper()
	if !Race {
		return
	}
	if list := os.Getenv(leftOut); list != "" {
		if err := enlist(t.Name(), list); err != nil {
			t.Fatal(err.Error())
		}
	}
	t.Skip(why + ": run without -race")
}

// enlist adds a line for the test of that name to the file.
func enlist(test, file string) error {
	folder, err := os.Getwd()
	if err != nil {
		return err
	}
	parts := strings.Split(test, "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s\t%s\n", folder, strings.Join(parts, "/"))
	return errors.Join(err, f.Close())
}

// EmbeddedWithoutRace skips a test on the embedded Redis if the race detector is on and the
// same test can run on a real Redis.
func EmbeddedWithoutRace(t testing.TB) {
	t.Helper()
	if Available() {
		WithoutRace(t, "-race makes the embedded Redis's Lua ten times as slow, and finds nothing in it")
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
