package deadline

import (
	"context"
	"math"
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

// TestSharedStops checks that an end that no context needs any more has no timer, except the
// few ends that Ends keeps.
func TestSharedStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ends := &Ends{}
		var all []<-chan struct{}
		for i := range 100 {
			d := ends.Within(context.Background(), time.Hour+time.Duration(i)*grain)
			all = append(all, d.Shared().Done())
			d.End()
			d.End()
		}
		open := 0
		for _, passed := range all {
			select {
			case <-passed: // closed for whoever still has it
			default:
				open++
			}
		}
		require.Equal(t, len(ends.ends), open)
		for _, e := range ends.ends {
			require.Zero(t, e.users)
			require.True(t, e.timer.Stop())
		}
	})
}

// TestPlaceTaken checks what happens if two moments have one place in Ends. The later moment
// takes the place of the earlier, whose end must not come early because of that, nor keep its
// timer once nobody needs it.
func TestPlaceTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		ends := &Ends{}
		isOpen := func(passed <-chan struct{}) bool {
			select {
			case <-passed:
				return false
			default:
				return true
			}
		}
		take := func(timeout time.Duration) (*Context, *end) {
			d := ends.Within(context.Background(), timeout)
			require.True(t, isOpen(d.Passed()))
			return d, d.end
		}
		around := time.Duration(len(ends.ends)) * grain
		first, firstEnd := take(time.Second)
		second, _ := take(time.Second + around)
		third, _ := take(time.Second + 2*around)
		defer third.End()
		require.False(t, firstEnd.kept)
		require.True(t, isOpen(firstEnd.passed), "its context lives")

		first.End()
		require.False(t, isOpen(firstEnd.passed), "nobody else needs it")
		require.False(t, firstEnd.timer.Stop(), "so its timer has been stopped")

		<-second.Passed()
		require.Equal(t, time.Second+around, time.Since(begin))
		second.End()
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

func TestUncancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		ctx, cancel := context.WithCancel(context.Background())
		d := new(Ends).Within(ctx, time.Hour)
		defer d.End()
		uncancelled := d.Uncancelled()
		done := uncancelled.Done()
		cancel()
		require.Equal(t, context.Canceled, uncancelled.Err())
		<-done
		require.Equal(t, time.Hour, time.Since(begin))
	})
}

func TestSharedConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
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
						if d.Err() != context.DeadlineExceeded {
							t.Errorf("its error is %v", d.Err())
						}
					} else {
						_ = d.Shared().Done()
					}
					d.End()
				}
			})
		}
		all.Wait()
	})
}

// TestEndless checks that the longest timeout there is, which stands for "no timeout", does
// not pass.
func TestEndless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ends := &Ends{}
		for range 3 {
			d := ends.Within(context.Background(), math.MaxInt64)
			passed := d.Passed()
			time.Sleep(1000 * time.Hour)
			select {
			case <-passed:
				t.Error("it has passed")
			default:
			}
			require.NoError(t, d.Err())
			d.End()
		}
	})
}

// TestTimeoutsInTurn checks that contexts of two timeouts that are asked for in turn do not
// make new ends each time.
func TestTimeoutsInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, timeouts := range [][2]time.Duration{{100, 500}, {1000, 5000}, {50, 250}, {200, 1000}, {250, 3000}} {
			ends := &Ends{}
			var first, second [2]<-chan struct{}
			for _, passed := range []*[2]<-chan struct{}{&first, &second} {
				for i, timeout := range timeouts {
					d := ends.Within(context.Background(), timeout*time.Millisecond)
					passed[i] = d.Passed()
					d.End()
				}
			}
			require.Equal(t, first, second, timeouts)
		}
	})
}
