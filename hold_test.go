package ratelimit

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// holds lands a flight, and requires that this begins a hold for the back callers that wake.
func (q *aQueue) holds(t *testing.T, f *flight, back int) {
	t.Helper()
	next, held := q.land(f, back)
	require.True(t, held)
	require.Nil(t, next)
	require.Empty(t, q.due())
}

// alone returns the flight of a call that runs at once, since no other is before it.
func (q *aQueue) alone(t *testing.T) *flight {
	t.Helper()
	at, f := q.join(&call{})
	require.Equal(t, runsItself, at)
	return f
}

// TestHold checks that calls that come after a landing, while the callers of the landed flight
// wake, go in one run with the calls that came before it.
func TestHold(t *testing.T) {
	onQueue(t, func(t *testing.T, q *aQueue) {
		f := q.alone(t)
		came := inLane(0, 3)
		require.Empty(t, q.wait(t, came[:2]))
		q.holds(t, f, 1)
		require.Empty(t, q.wait(t, came[2:]))
		others := inLane(1, enough)
		require.Empty(t, q.wait(t, others), "nor is it enough that they are many")
		f = q.resumed()
		requireCalls(t, f, append(came, others...)...)
		require.Nil(t, q.landed(t, f))
	})
}

// TestHoldNobody checks that a landing begins no hold for fewer than two callers, beside
// another flight, or if none is asked for.
func TestHoldNobody(t *testing.T) {
	onQueue(t, func(t *testing.T, q *aQueue) {
		next, held := q.land(q.alone(t), 1)
		require.False(t, held, "nobody else is there to be waited for")
		require.Nil(t, next)

		f := q.alone(t)
		at, beside := q.join(&call{lane: 1})
		require.Equal(t, runsItself, at)
		came := inLane(0, 1)
		require.Empty(t, q.wait(t, came))
		next, held = q.land(f, 10)
		require.False(t, held, "another is in flight")
		requireCalls(t, next, came...)
		require.Nil(t, q.landed(t, next))

		require.Empty(t, q.wait(t, inLane(1, 1)))
		next = q.landed(t, beside)
		require.NotNil(t, next)
		q.holds(t, next, 2)
		require.Nil(t, q.resumed())
		require.Nil(t, q.landed(t, q.alone(t)), "all is as before")
	})
}

// TestHoldLong checks that after a hold that took longer than waking callers need there is
// none for a multiple of the time that it took.
func TestHoldLong(t *testing.T) {
	onQueue(t, func(t *testing.T, q *aQueue) {
		const back = 100
		fair := fairBase + back*fairEach
		q.holds(t, q.alone(t), back)
		time.Sleep(fair)
		require.Nil(t, q.resumed())
		q.holds(t, q.alone(t), back)
		time.Sleep(fair + 1)
		require.Nil(t, q.resumed())
		begun := time.Now().Add(-fair - 1)
		for time.Since(begun) < pauseTimes*(fair+1) {
			next, held := q.land(q.alone(t), back)
			require.False(t, held)
			require.Nil(t, next)
			time.Sleep(fair)
		}
		q.holds(t, q.alone(t), back)
		require.Nil(t, q.resumed())
		q.holds(t, q.alone(t), back)
		require.Nil(t, q.resumed())
		require.Nil(t, q.resumed(), "by another one who wakes late")
	})
}

// TestHoldTick checks that if no caller ends a hold the next tick does, and that all goes on
// as before.
func TestHoldTick(t *testing.T) {
	onQueue(t, func(t *testing.T, q *aQueue) {
		q.holds(t, q.alone(t), 2)
		var came []*call
		for i := range uint8(lanes) {
			came = append(came, inLane(i, enough)...)
		}
		require.Empty(t, q.wait(t, came))
		time.Sleep(q.interval)
		synctest.Wait()
		due := q.due()
		require.Len(t, due, maxFlights)
		for _, f := range due {
			requireCalls(t, f, came[:enough]...)
			came = came[enough:]
		}
		for _, f := range due {
			f = q.landed(t, f)
			requireCalls(t, f, came[:enough]...)
			came = came[enough:]
			defer func() { require.Nil(t, q.landed(t, f)) }()
		}
		require.Nil(t, q.resumed(), "who was to end it comes late")
	})
}

// TestHoldTicked checks that a tick does not end a hold that has just begun, even if a call
// has waited for long, and that the hold can then be ended as usual.
func TestHoldTicked(t *testing.T) {
	onQueue(t, func(t *testing.T, q *aQueue) {
		f := q.alone(t)
		came := inLane(0, 1)
		require.Empty(t, q.wait(t, came))
		time.Sleep(3*q.interval - 1)
		q.holds(t, f, 1)
		time.Sleep(2 * time.Nanosecond)
		synctest.Wait()
		require.Empty(t, q.due())
		require.NotNil(t, q.timer, "somebody waits")
		f = q.resumed()
		requireCalls(t, f, came...)
		require.Nil(t, q.landed(t, f))
	})
}
