package ratelimit

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
)

// TestDecideEnded checks that a call whose context has ended joins no queue.
func TestDecideEnded(t *testing.T) {
	l, err := New(noStore{}, tokenbucket.Limit{Rate: 1, Period: time.Hour})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = l.decide(ctx, "x", 1)
	require.Equal(t, context.Canceled, err, "as it is, and not that of a run")
}

// TestDecideOpen checks that while the breaker is open a call does not wait for a run that is
// still in flight.
func TestDecideOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := New(noStore{}, tokenbucket.Limit{Rate: 1, Period: time.Hour})
		require.NoError(t, err)
		c := l.newCall(l.keys.hash("x"), 1)
		at, _ := l.batcher.queue(l, c).join(c)
		require.Equal(t, runsItself, at)
		b := l.breakers.of(0)
		for range tripAfter {
			b.silent(time.Now(), context.DeadlineExceeded)
		}
		began := time.Now()
		_, _, err = l.decide(t.Context(), "x", 1)
		require.ErrorIs(t, err, ErrBreakerOpen)
		require.Zero(t, time.Since(began))
	})
}
