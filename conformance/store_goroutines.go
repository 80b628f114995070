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
	"time"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// nothingLeft recognises the Store's goroutines by a profiler label, which a goroutine
// inherits from the one that started it.
func nothingLeft(t testing.TB, h *subject) {
	label, key := rand.Text(), newKeyspace().key("n")
	open, w := h.Open, &wire{}
	if h.OpenDial != nil {
		open = func(t testing.TB) store.Store { return h.OpenDial(t, w.dial) }
	} else {
		t.Log("Harness.OpenDial is nil: set it to test also that no connection is left")
	}
	fails := []*store.Script{unseen("return redis.error_reply('MYCODE says a script')"), unseen("return 'text'")}
	use := func(context.Context) {
		scope := &scope{TB: t}
		defer scope.close()
		s := open(scope)
		var wg sync.WaitGroup
		for g := range 32 {
			wg.Go(func() {
				for i := range 10 {
					// Some give up, some fail.
					span, script := patience, incr
					switch g % 4 {
					case 2:
						span = time.Duration(i*37) * time.Microsecond
					case 3:
						script = fails[i%len(fails)]
					}
					ctx, cancel := context.WithTimeout(context.Background(), span)
					_, _ = s.Run(ctx, script, []string{key}, nil)
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
	eventually(t, "connections that a Store has made and that outlive it", func() error {
		if left := w.open(); left > 0 {
			return fmt.Errorf("%d are not closed", left)
		}
		return nil
	})
}

// goroutines returns the stacks of the goroutines that have the label.
func goroutines(profile, label string) (found []string) {
	for _, block := range strings.Split(profile, "\n\n") {
		if strings.Contains(block, label) {
			found = append(found, block)
		}
	}
	return found
}
