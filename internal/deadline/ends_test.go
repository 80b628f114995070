package deadline

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ends := &Ends{}
		begin := time.Now()
		first := ends.Within(context.Background(), time.Second)
		one := first.Shared()
		at, ok := one.Deadline()
		require.True(t, ok)
		require.Equal(t, begin.Add(time.Second), at)
		require.NoError(t, one.Err())
		done := one.Done()
		require.Equal(t, done, one.Done())

		time.Sleep(time.Millisecond)
		second := ends.Within(context.Background(), time.Second)
		require.Equal(t, begin.Add(1001*time.Millisecond), second.at)
		third := ends.Within(context.Background(), time.Second-grain/2)
		require.Equal(t, done, third.Shared().Done(), "of the same moment")
		require.NotEqual(t, done, second.Shared().Done(), "which it is not to come before")

		first.End()
		require.Equal(t, context.Canceled, one.Err())
		<-one.Done()
		select {
		case <-third.Shared().Done():
			t.Error("it has ended with another one")
		default:
		}
		<-third.Shared().Done()
		require.Equal(t, time.Second, time.Since(begin))
		require.Equal(t, context.DeadlineExceeded, third.Err())
		third.End()
		<-second.Shared().Done()
		require.Equal(t, time.Second+grain, time.Since(begin), "a grain late at most")
		require.Equal(t, context.DeadlineExceeded, second.Err())
		second.End()
	})
}

// What nobody waits for has no timer, but for the few that are kept.
func TestSharedStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ends := &Ends{}
		var all []*end
		for i := range 100 {
			d := ends.Within(context.Background(), time.Hour+time.Duration(i)*grain)
			_ = d.Shared().Done()
			all = append(all, d.end)
			d.End()
			d.End()
		}
		running := 0
		for _, e := range all {
			require.Zero(t, e.users)
			if e.timer.Stop() {
				running++
			}
		}
		require.Equal(t, len(ends.ends), running)
	})
}

func TestSharedOfOneThatMayBeCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	d := new(Ends).Within(ctx, time.Hour)
	shared := d.Shared()
	cancel()
	<-shared.Done()
	require.Equal(t, context.Canceled, shared.Err())
	d.End()
}

func TestSharedConcurrently(t *testing.T) {
	ends := &Ends{}
	var all sync.WaitGroup
	one := ends.Within(context.Background(), 5*time.Millisecond)
	defer one.End()
	for range 4 {
		all.Go(func() { <-one.Shared().Done() })
	}
	for i := range 8 {
		all.Go(func() {
			for j := range 200 {
				d := ends.Within(context.Background(), time.Duration(i*j%7)*time.Millisecond)
				if j%3 == 0 {
					<-d.Shared().Done()
					require.Equal(t, context.DeadlineExceeded, d.Err())
				} else {
					_ = d.Shared().Done()
				}
				d.End()
			}
		})
	}
	all.Wait()
}
