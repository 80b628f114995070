package conformance

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
)

// noGoroutineLeft tells the Store's goroutines from others by a label of the
// profiler, which a goroutine has from the one that started it.
func noGoroutineLeft(t testing.TB, h *subject) {
	label, key := rand.Text(), newKeyspace().key("n")
	use := func(context.Context) {
		scope := &scope{TB: t}
		defer scope.close()
		s := h.Open(scope)
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				for range 10 {
					ctx, cancel := context.WithTimeout(context.Background(), patience)
					_, _ = s.Run(ctx, incr, []string{key}, nil)
					cancel()
				}
			})
		}
		wg.Wait()
		run(t, s, incr, []string{key})
	}
	pprof.Do(context.Background(), pprof.Labels("conformance", label), use)
	eventually(t, "goroutines that a Store has started and that outlive it", func() error {
		var profile bytes.Buffer
		if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
			return err
		}
		if left := goroutines(profile.String(), label); len(left) > 0 {
			return fmt.Errorf("%d left, of which the first is\n%s", len(left), left[0])
		}
		return nil
	})
}

// goroutines returns the stacks of the goroutines with that label, one text each.
func goroutines(profile, label string) (found []string) {
	for _, block := range strings.Split(profile, "\n\n") {
		if strings.Contains(block, label) {
			found = append(found, block)
		}
	}
	return found
}
