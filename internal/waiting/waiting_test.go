package waiting_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/internal/waiting"
)

// bucket gives a unit each second.
type bucket struct {
	mu    sync.Mutex
	next  time.Time
	asked int
}

func (b *bucket) ask() (time.Duration, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked++
	if wait := time.Until(b.next); wait > 0 {
		return wait, true
	}
	b.next = time.Now().Add(time.Second)
	return 0, false
}

// TestLine checks that a thousand requests that wait are served in the order in which they
// came, and ask twice each at most, whatever their number.
func TestLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const requests = 1000
		b := &bucket{next: time.Now().Add(time.Second)}
		var lines waiting.Lines
		var mu sync.Mutex
		var served []int
		var group sync.WaitGroup
		for i := range requests {
			group.Go(func() {
				require.NoError(t, lines.Await(t.Context(), "x", time.Hour, time.Second, b.ask))
				mu.Lock()
				defer mu.Unlock()
				served = append(served, i)
			})
			synctest.Wait() // until it stands in line
		}
		begin := time.Now()
		group.Wait()
		require.Len(t, served, requests)
		for i, who := range served {
			require.Equal(t, i, who)
		}
		require.Equal(t, requests*time.Second, time.Since(begin))
		require.LessOrEqual(t, b.asked, 2*requests)
	})
}

// TestLinesAreApart checks that requests that wait for one identity do not hold up those for
// another.
func TestLinesAreApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines waiting.Lines
		var group sync.WaitGroup
		begin := time.Now()
		for _, identity := range []string{"a", "b"} {
			b := &bucket{next: time.Now().Add(time.Second)}
			group.Go(func() { require.NoError(t, lines.Await(t.Context(), identity, time.Hour, time.Second, b.ask)) })
		}
		group.Wait()
		require.Equal(t, time.Second, time.Since(begin))
	})
}

// TestTooLong checks that a request does not wait for units that come too late for it, or
// never.
func TestTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for _, test := range []struct {
			ctx           context.Context
			longest, wait time.Duration
		}{
			{t.Context(), time.Hour, algorithm.Never},
			{t.Context(), time.Second, time.Second + 1},
			{short, time.Hour, time.Second + 1},
		} {
			var lines waiting.Lines
			begin := time.Now()
			require.NoError(t, lines.Await(test.ctx, "x", test.longest, test.wait, func() (time.Duration, bool) {
				t.Error("asked")
				return 0, false
			}))
			require.Zero(t, time.Since(begin))
		}
	})
}

// TestLeaving checks that a request that leaves, at the head of the line or further behind,
// holds up no other.
func TestLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{next: time.Now().Add(10 * time.Second)}
		var lines waiting.Lines
		var group sync.WaitGroup
		leave := func(after time.Duration) {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(after, func() { cancel(nil) })
			group.Go(func() { require.ErrorIs(t, lines.Await(ctx, "x", time.Hour, time.Second, b.ask), context.Canceled) })
			synctest.Wait()
		}
		leave(time.Second)     // the head
		leave(time.Second / 2) // further behind
		begin := time.Now()
		group.Go(func() {
			require.NoError(t, lines.Await(t.Context(), "x", time.Hour, 10*time.Second, b.ask))
			require.Equal(t, 10*time.Second, time.Since(begin))
		})
		synctest.Wait()
		group.Go(func() { // its time in line is over before its turn comes
			require.NoError(t, lines.Await(t.Context(), "x", 5*time.Second, time.Second, b.ask))
			require.Equal(t, 5*time.Second, time.Since(begin))
		})
		group.Wait()
	})
}
