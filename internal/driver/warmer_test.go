package driver

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWarmer(t *testing.T) {
	late := fmt.Errorf("run: %w", context.DeadlineExceeded)
	synctest.Test(t, func(t *testing.T) {
		var w Warmer
		var calls int
		var ended error
		connect := func(ctx context.Context) {
			calls++
			<-ctx.Done()
			ended = ctx.Err()
		}
		for _, err := range []error{nil, errors.New("refused"), context.Canceled} {
			w.After(err, connect)
		}
		synctest.Wait()
		require.Zero(t, calls, "those had no need")

		w.After(late, connect)
		w.After(late, connect)
		synctest.Wait()
		require.Equal(t, 1, calls, "one at a time")
		time.Sleep(warmTimeout)
		synctest.Wait()
		require.ErrorIs(t, ended, context.DeadlineExceeded, "it has no more time than that")

		w.After(late, func(context.Context) { panic("no") })
		synctest.Wait()

		w.After(late, connect)
		synctest.Wait()
		w.Close()
		synctest.Wait()
		require.ErrorIs(t, ended, context.Canceled)
		w.After(late, connect)
		synctest.Wait()
		require.Equal(t, 2, calls, "closed")
	})
}
