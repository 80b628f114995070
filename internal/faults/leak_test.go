package faults

import (
	"bytes"
	"context"
	"fmt"
	"runtime/pprof"
	"strings"
	"testing"
	"time"
)

// labelled runs f with a label on its goroutine. The goroutines that f starts inherit it, and
// so do theirs, so that tests that run in parallel can tell their goroutines apart.
func labelled(label string, f func()) {
	pprof.Do(context.Background(), pprof.Labels("fault", label), func(context.Context) { f() })
}

// checkGoroutines waits until no goroutine has the label. It fails the test if that takes too
// long.
func checkGoroutines(t *testing.T, label string) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	for {
		left := goroutines(label)
		if len(left) == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Errorf("goroutines are left after Close:\n%s", strings.Join(left, "\n\n"))
			return
		}
	}
}

// goroutines returns the stacks of the goroutines that have the label.
func goroutines(label string) (stacks []string) {
	var text bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&text, 1)
	for stack := range strings.SplitSeq(text.String(), "\n\n") {
		if strings.Contains(stack, fmt.Sprintf(`"fault":%q`, label)) {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}

func TestGoroutinesAreTold(t *testing.T) {
	quit := make(chan struct{})
	labelled("one", func() { go func() { <-quit }() })
	if len(goroutines("one")) != 1 || len(goroutines("on")) != 0 {
		t.Error("want one goroutine with the label, and none with another")
	}
	close(quit)
	checkGoroutines(t, "one")
}
