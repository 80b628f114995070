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
		first := Within(context.Background(), time.Second)
		one := first.Shared(ends)
		at, ok := one.Deadline()
		require.True(t, ok)
		require.Equal(t, begin.Add(time.Second), at)
		require.NoError(t, one.Err())
		done := one.Done()
		require.Equal(t, done, one.Done())

		time.Sleep(time.Millisecond)
		second := Within(context.Background(), time.Second)
		require.Equal(t, begin.Add(1001*time.Millisecond), second.at)
		third := Within(context.Background(), time.Second-grain/2)
		require.Equal(t, done, third.Shared(ends).Done(), "of the same moment")
		require.NotEqual(t, done, second.Shared(ends).Done(), "which it is not to come before")

		first.End()
		require.Equal(t, context.Canceled, one.Err())
		<-one.Done()
		select {
		case <-third.Shared(ends).Done():
			t.Error("it has ended with another one")
		default:
		}
		<-third.Shared(ends).Done()
		require.Equal(t, time.Second, time.Since(begin))
		require.Equal(t, context.DeadlineExceeded, third.Err())
		third.End()
		<-second.Shared(ends).Done()
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
			d := Within(context.Background(), time.Hour+time.Duration(i)*grain)
			_ = d.Shared(ends).Done()
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
	d := Within(ctx, time.Hour)
	shared := d.Shared(&Ends{})
	cancel()
	<-shared.Done()
	require.Equal(t, context.Canceled, shared.Err())
	d.End()
}

func TestSharedConcurrently(t *testing.T) {
	ends := &Ends{}
	var all sync.WaitGroup
	one := Within(context.Background(), 5*time.Millisecond)
	defer one.End()
	for range 4 {
		all.Go(func() { <-one.Shared(ends).Done() })
	}
	for i := range 8 {
		all.Go(func() {
			for j := range 200 {
				d := Within(context.Background(), time.Duration(i*j%7)*time.Millisecond)
				if j%3 == 0 {
					<-d.Shared(ends).Done()
					require.Equal(t, context.DeadlineExceeded, d.Err())
				} else {
					_ = d.Shared(ends).Done()
				}
				d.End()
			}
		})
	}
	all.Wait()
}
