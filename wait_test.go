package ratelimit_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
)

// oneASecond is a Store that lets one request a second through.
type oneASecond struct {
	mu    sync.Mutex
	next  time.Time
	asked int
}

func (o *oneASecond) Run(context.Context, *store.Script, []string, []int64) ([]int64, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked++
	now := time.Now()
	if wait := o.next.Sub(now); wait > 0 {
		return []int64{now.UnixMicro(), wait.Microseconds(), 0, wait.Microseconds()}, nil
	}
	o.next = now.Add(time.Second)
	return []int64{now.UnixMicro(), 0, 0, 1_000_000}, nil
}

// TestWaitInTurn checks that calls that wait are served in the order in which they came, and
// ask Redis twice each at most. A call that comes while others wait does not get a unit before
// them.
func TestWaitInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const callers = 100
		s := &oneASecond{next: time.Now().Add(time.Second)}
		l, err := ratelimit.New(s, tokenbucket.Limit{Rate: 1, Period: time.Second}, ratelimit.WithoutBatching())
		require.NoError(t, err)
		both := []*ratelimit.Limiter{l, l.WithFailureMode(ratelimit.FailOpen)} // they share a line
		begin := time.Now()
		var mu sync.Mutex
		var served []int
		var group sync.WaitGroup
		for i := range callers {
			group.Go(func() {
				require.NoError(t, both[i%2].Wait(t.Context(), "x"))
				mu.Lock()
				defer mu.Unlock()
				served = append(served, i)
			})
			if i == callers/2 {
				time.Sleep(time.Second) // until there is a unit
			}
			synctest.Wait()
		}
		group.Wait()
		require.Equal(t, callers*time.Second, time.Since(begin))
		for i, who := range served {
			require.Equal(t, i, who)
		}
		require.LessOrEqual(t, s.asked, 2*callers)
	})
}

// TestWait checks, on a Redis, that a wait ends when there are units, and that no call waits
// for units that come too late or never.
func TestWait(t *testing.T) {
	r, err := embedded.Start() // whose clock runs
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	l := newLimiter(t, r, tokenbucket.Limit{Rate: 1000, Period: time.Second, Burst: 2})
	for range 20 {
		require.NoError(t, l.Wait(t.Context(), "x"))
	}
	require.NoError(t, l.WaitN(t.Context(), "x", 2))
	require.NoError(t, l.WaitN(t.Context(), "x", 0))
	err = l.WaitN(t.Context(), "x", 3)
	require.ErrorIs(t, err, ratelimit.ErrNever)
	require.EqualError(t, err, "ratelimit: n is more than the limit can ever give: n is 3, and the limit 2")
	require.ErrorIs(t, l.Wait(t.Context(), ""), ratelimit.ErrIdentity)
	require.ErrorIs(t, l.WaitN(t.Context(), "x", -1), ratelimit.ErrN)
	require.Error(t, (*ratelimit.Limiter)(nil).Wait(t.Context(), "x"))

	slow := newLimiter(t, r, tokenbucket.Limit{Rate: 1, Period: time.Hour}, ratelimit.WithNamespace("slow"))
	require.NoError(t, slow.Wait(t.Context(), "x"))
	short, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err = slow.Wait(short, "x")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Regexp(t, `^ratelimit: 1 units come in 59m.*, which is too late: `, err)
	require.NoError(t, short.Err(), "it did not wait for that")
}

// TestWaitCancelled checks that a wait ends with its context.
func TestWaitCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &oneASecond{next: time.Now().Add(time.Hour)}
		l, err := ratelimit.New(s, tokenbucket.Limit{Rate: 1, Period: time.Second}, ratelimit.WithoutBatching())
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		begin := time.Now()
		time.AfterFunc(time.Minute, cancel)
		require.ErrorIs(t, l.Wait(ctx, "x"), context.Canceled)
		require.Equal(t, time.Minute, time.Since(begin))
		require.ErrorIs(t, l.Wait(ctx, "x"), context.Canceled)
	})
}

// TestWaitUndecided checks that while Redis does not decide, a limiter that fails open does
// not wait, and one that fails closed waits until Redis does.
func TestWaitUndecided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m moody
		l, err := ratelimit.New(&m, fast)
		require.NoError(t, err)
		m.set(refuses)
		begin := time.Now()
		require.NoError(t, l.Wait(t.Context(), "x"))
		require.Zero(t, time.Since(begin))
		m.counts()

		closed := l.WithFailureMode(ratelimit.FailClosed)
		soon, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, closed.Wait(soon, "x"), context.DeadlineExceeded)
		require.Zero(t, time.Since(begin))
		time.AfterFunc(10*time.Second, func() { m.set(nil) })
		require.NoError(t, closed.Wait(t.Context(), "x"))
		require.InDelta(t, 10*time.Second, time.Since(begin), float64(2*time.Second))
		asked, _ := m.counts()
		require.Less(t, asked, 10, "it was busy")
		time.Sleep(time.Second) // until what is under way has ended
	})
}

// TestWaitBesideClosed checks that a call that waits for Redis because it fails closed does
// not hold up calls that fail open.
func TestWaitBesideClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m moody
		l, err := ratelimit.New(&m, fast)
		require.NoError(t, err)
		m.set(refuses)
		begin := time.Now()
		time.AfterFunc(10*time.Second, func() { m.set(nil) })
		var group sync.WaitGroup
		group.Go(func() {
			require.NoError(t, l.WithFailureMode(ratelimit.FailClosed).Wait(t.Context(), "x"))
			require.GreaterOrEqual(t, time.Since(begin), 10*time.Second)
		})
		synctest.Wait()
		require.NoError(t, l.Wait(t.Context(), "x"))
		require.Zero(t, time.Since(begin))
		group.Wait()
		time.Sleep(time.Second) // until what is under way has ended
	})
}

// TestWaitEnded checks that while others wait, a call whose context has ended gets the error
// that AllowN returns, and not that of a wait that would be too long.
func TestWaitEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &oneASecond{next: time.Now().Add(time.Second)}
		l, err := ratelimit.New(s, tokenbucket.Limit{Rate: 1, Period: time.Second})
		require.NoError(t, err)
		var group sync.WaitGroup
		group.Go(func() { require.NoError(t, l.Wait(t.Context(), "x")) })
		defer group.Wait()
		synctest.Wait()
		ended, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		_, want := l.Allow(ended, "x")
		require.ErrorIs(t, want, context.DeadlineExceeded)
		require.EqualError(t, l.Wait(ended, "x"), want.Error())
	})
}
