package waiting

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestLinesEnd checks that a line is gone once nobody stands in it, for whatever reason they
// left. Otherwise each identity that ever waited would take memory for good.
func TestLinesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines Lines
		var group sync.WaitGroup
		stand := func(identity string) int {
			lines.mu.Lock()
			defer lines.mu.Unlock()
			if line, ok := lines.lines[identity]; ok {
				return line.requests
			}
			return 0
		}
		served := func() (time.Duration, bool) { return 0, false }
		given, cancel := context.WithCancel(t.Context())
		for _, one := range []struct {
			ctx                 context.Context
			longest, retryAfter time.Duration
			err                 error
		}{
			{t.Context(), time.Hour, time.Minute, nil},        // has the turn, and is served
			{given, time.Hour, time.Minute, context.Canceled}, // gives up
			{t.Context(), time.Second, time.Second, nil},      // its turn does not come in time
			{t.Context(), time.Hour, time.Minute, nil},        // waits for its turn, and is served
		} {
			group.Go(func() {
				require.ErrorIs(t, lines.Await(one.ctx, "x", one.longest, one.retryAfter, served), one.err)
			})
			synctest.Wait()
		}
		require.Equal(t, 4, stand("x"))
		cancel()
		synctest.Wait()
		require.Equal(t, 3, stand("x"))
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, 2, stand("x"))
		group.Wait()
		require.Empty(t, lines.lines)
	})
}
