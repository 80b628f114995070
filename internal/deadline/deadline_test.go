package deadline

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		parent, cancel := context.WithCancel(context.WithValue(context.Background(), key{}, 1))
		d := new(Ends).Within(parent, time.Second)
		at, ok := d.Deadline()
		require.True(t, ok)
		require.Equal(t, time.Now().Add(time.Second), at)
		require.Equal(t, 1, d.Value(key{}))
		require.NoError(t, d.Err())
		time.Sleep(time.Second)
		require.ErrorIs(t, d.Err(), context.DeadlineExceeded, "without anybody's having asked for Done")
		<-d.Done()
		require.ErrorIs(t, d.Err(), context.DeadlineExceeded)
		d.End()

		d = new(Ends).Within(parent, time.Second)
		begin := time.Now()
		<-d.Done()
		require.Equal(t, time.Second, time.Since(begin))
		d.End()

		short, stop := context.WithTimeout(parent, time.Millisecond)
		defer stop()
		at, _ = new(Ends).Within(short, time.Second).Deadline()
		require.Equal(t, time.Now().Add(time.Millisecond), at)

		d = new(Ends).Within(parent, time.Second)
		derived, stop := context.WithTimeout(d, time.Hour)
		defer stop()
		cancel()
		require.ErrorIs(t, d.Err(), context.Canceled)
		<-derived.Done()
		require.ErrorIs(t, derived.Err(), context.Canceled)
		d.End()
		require.ErrorIs(t, new(Ends).Within(parent, time.Second).Err(), context.Canceled)
	})
}

func TestEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, before := range []bool{false, true} { // whether Done was asked for before End
			begin := time.Now()
			d := new(Ends).Within(context.Background(), time.Hour)
			all := []context.Context{d, d.Watched()}
			if before {
				for _, c := range all {
					derived, stop := context.WithCancel(c)
					defer stop()
					all = append(all, derived)
				}
			}
			d.End()
			d.End()
			for _, c := range all {
				<-c.Done()
				require.Equal(t, context.Canceled, c.Err())
			}
			require.Zero(t, time.Since(begin))
		}
	})
}

// TestErrStays checks that Err stays what it was first.
func TestErrStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithCancel(context.Background())
		d := new(Ends).Within(parent, time.Second)
		time.Sleep(time.Second)
		require.Equal(t, context.DeadlineExceeded, d.Err())
		cancel()
		d.End()
		<-d.Done()
		require.Equal(t, context.DeadlineExceeded, d.Err())
	})
}

func TestWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(Ends).Within(t.Context(), time.Second)
		w := d.Watched()
		at, ok := w.Deadline()
		require.True(t, ok)
		require.Equal(t, time.Now().Add(time.Second), at)
		require.Equal(t, t.Context().Done(), d.Cancelled())
		derived, stop := context.WithCancel(w)
		defer stop()
		time.Sleep(2 * time.Second)
		require.ErrorIs(t, w.Err(), context.DeadlineExceeded)
		require.NoError(t, derived.Err(), "nobody has said so")
		d.End()
		<-w.Done()
		<-derived.Done()
		require.ErrorIs(t, derived.Err(), context.DeadlineExceeded)
		<-new(Ends).Within(t.Context(), 0).Watched().Done() // over before Done was asked for
	})
	require.Nil(t, new(Ends).Within(context.Background(), time.Second).Cancelled())
}

func TestEnding(t *testing.T) {
	parent, cancel := context.WithCancel(context.Background())
	defer cancel()
	d := new(Ends).Within(parent, time.Hour)
	defer d.End()
	passed, cancelled := Ending(d)
	require.Equal(t, d.Passed(), passed)
	require.Equal(t, parent.Done(), cancelled)

	passed, cancelled = Ending(parent)
	require.Nil(t, passed)
	require.Equal(t, parent.Done(), cancelled)
}
