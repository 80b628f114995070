package conformance

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
)

// recorder is the testing.TB of a check that is expected to fail. It records what the check
// reports, and the real test goes on.
type recorder struct {
	scope
	name string

	mu      sync.Mutex
	text    bytes.Buffer
	failed  bool
	skipped bool
}

// record runs a check as testing would, on a goroutine of its own, and returns
// what came of it.
func record(t testing.TB, c check, s *subject) *recorder {
	r := &recorder{scope: scope{TB: t}, name: "TestConformance/" + c.name}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer r.close()
		defer func() {
			if p := recover(); p != nil {
				r.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		c.try(r, s)
	}()
	<-done
	return r
}

// output returns what the check has printed, indented as package testing does.
func (r *recorder) output() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return "    " + strings.ReplaceAll(strings.TrimRight(r.text.String(), "\n"), "\n", "\n    ")
}

func (r *recorder) say(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text.WriteString(strings.TrimRight(text, "\n") + "\n")
}

func (r *recorder) Name() string { return r.name }
func (r *recorder) Helper()      {}

func (r *recorder) Log(args ...any)                 { r.say(fmt.Sprintln(args...)) }
func (r *recorder) Logf(format string, args ...any) { r.say(fmt.Sprintf(format, args...)) }

func (r *recorder) Error(args ...any)                 { r.Log(args...); r.Fail() }
func (r *recorder) Errorf(format string, args ...any) { r.Logf(format, args...); r.Fail() }
func (r *recorder) Fatal(args ...any)                 { r.Log(args...); r.FailNow() }
func (r *recorder) Fatalf(format string, args ...any) { r.Logf(format, args...); r.FailNow() }

func (r *recorder) Fail() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = true
}

func (r *recorder) FailNow() {
	r.Fail()
	runtime.Goexit()
}

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

func (r *recorder) Skip(args ...any)                 { r.Log(args...); r.SkipNow() }
func (r *recorder) Skipf(format string, args ...any) { r.Logf(format, args...); r.SkipNow() }

func (r *recorder) SkipNow() {
	r.mu.Lock()
	r.skipped = true
	r.mu.Unlock()
	runtime.Goexit()
}

func (r *recorder) Skipped() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.skipped
}

// Output is where a test may write.
func (r *recorder) Output() io.Writer { return recorderOutput{r} }

type recorderOutput struct{ r *recorder }

func (o recorderOutput) Write(p []byte) (int, error) {
	o.r.say(string(p))
	return len(p), nil
}
