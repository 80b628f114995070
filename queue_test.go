package ratelimit

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// inLane returns n calls of one lane.
func inLane(lane uint8, n int) (calls []*call) {
	for range n {
		calls = append(calls, &call{lane: lane, wake: make(chan struct{}, 1)})
	}
	return calls
}

// wait has calls join that find themselves behind others, and returns the flights that
// become due by it.
func wait(t *testing.T, q *queue, calls []*call) (due []*flight) {
	for _, c := range calls {
		at, f := q.join(c)
		require.Equal(t, behind, at)
		if f != nil {
			due = append(due, f)
		}
	}
	return due
}

// requireCalls holds the flight to its calls, in order.
func requireCalls(t *testing.T, f *flight, want ...*call) {
	t.Helper()
	require.NotNil(t, f)
	require.Equal(t, len(want), f.size)
	c := f.calls
	for _, want := range want {
		require.Same(t, want, c)
		c = c.next
	}
	require.Nil(t, c)
}

func newQueue(t *testing.T) *queue {
	q := &queue{}
	q.setTimeout(time.Minute)
	t.Cleanup(func() {
		if q.timer != nil {
			q.timer.Stop()
		}
	})
	return q
}

// TestQueue: the calls of a lane keep their order, and are in one flight at a time.
func TestQueue(t *testing.T) {
	q := newQueue(t)
	at, alone := q.join(&call{})
	require.Equal(t, first, at)
	came := inLane(0, 3)
	require.Empty(t, wait(t, q, came))
	require.Nil(t, q.take(), "the lane is in a flight")
	f := q.land(alone)
	requireCalls(t, f, came...)

	q.fly(f, nil, came[2]) // did not go with the others
	last := inLane(0, 1)
	require.Empty(t, wait(t, q, last))
	require.Nil(t, q.take())
	f = q.land(f)
	requireCalls(t, f, came[2], last[0])
	require.Nil(t, q.land(f))
	require.Zero(t, q.sent)
	require.Zero(t, q.ready)

	at, alone = q.join(last[0])
	require.Equal(t, first, at, "nobody runs any more")
	q.lanes[0].length = maxWaiting
	at, _ = q.join(&call{})
	require.Equal(t, none, at)
	q.lanes[0].length = 0
	require.Nil(t, q.land(alone))
}

// TestQueueFlights: a flight beside others has as many calls as they have, or enough;
// and there are not too many.
func TestQueueFlights(t *testing.T) {
	q := newQueue(t)
	at, a := q.join(&call{lane: 0})
	require.Equal(t, first, at)
	at, b := q.join(&call{lane: 1})
	require.Equal(t, first, at, "one may go beside one")

	two := inLane(2, 2)
	due := wait(t, q, two)
	require.Len(t, due, 1)
	c := due[0]
	requireCalls(t, c, two...)
	three := append(inLane(3, 2), inLane(4, 1)...)
	require.Empty(t, wait(t, q, three), "three are few beside four")
	d := q.land(a)
	requireCalls(t, d, three...)
	require.Equal(t, [lanes]bool{3: true, 4: true}, d.lanes)

	many := inLane(5, enough)
	due = wait(t, q, many)
	require.Len(t, due, 1)
	requireCalls(t, due[0], many[:6]...)
	require.Nil(t, q.take(), "the others' lane is in a flight")
	more := inLane(6, 2*enough)
	require.Empty(t, wait(t, q, more), "there are four flights")
	e := q.land(b)
	requireCalls(t, e, more...)
	for _, f := range []*flight{c, d} {
		require.Nil(t, q.land(f))
	}
	rest := q.land(due[0])
	require.Nil(t, rest, "fewer than enough, beside more")
	f := q.land(e)
	requireCalls(t, f, many[6:]...)
	require.Nil(t, q.land(f))
	require.Zero(t, q.flying)
	require.Zero(t, q.sent)
	require.Equal(t, [maxFlights]flight{}, q.flights)
}

// TestQueueFill: a flight takes lanes, in turn, until it has enough calls, and of a lane
// no more than a run may have.
func TestQueueFill(t *testing.T) {
	q := newQueue(t)
	_, f := q.join(&call{lane: 0})
	q.flying = maxFlights // as if others were busy
	var came [lanes][]*call
	for i := range came {
		came[i] = inLane(uint8(i), enough-1)
		require.Empty(t, wait(t, q, came[i]))
	}
	q.flying = 1
	for _, want := range [][2]int{{0, 1}, {2, 3}, {4, 5}, {6, 7}} {
		f = q.land(f)
		requireCalls(t, f, append(came[want[0]], came[want[1]]...)...)
	}
	hot := inLane(0, maxDecisions+5)
	require.Empty(t, wait(t, q, hot[:1]))
	f = q.land(f)
	requireCalls(t, f, hot[0])
	require.Empty(t, wait(t, q, hot[1:]))
	f = q.land(f)
	requireCalls(t, f, hot[1:maxDecisions+1]...)
	f = q.land(f)
	requireCalls(t, f, hot[maxDecisions+1:]...)
	require.Nil(t, q.land(f))
}

// TestQueueTicks: whoever waits is told in time, wherever the call is.
func TestQueueTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue
		q.setTimeout(time.Second)
		_, f := q.join(&call{})
		begin := time.Now()
		all := inLane(0, 3)
		for i, c := range all {
			time.Sleep(100 * time.Millisecond)
			require.Empty(t, wait(t, &q, all[i:i+1]))
			switch i {
			case 0: // in a run
				f = q.land(f)
				q.fly(f, &batch{groups: []group{{f.calls, c}}}, nil)
			case 1: // taken, and put back
				q.fly(f, f.batch, nil)
			}
		}
		for i, c := range all {
			<-c.wake
			require.True(t, c.late.Load())
			due := time.Second + time.Duration(i+1)*100*time.Millisecond
			took := time.Since(begin)
			require.GreaterOrEqual(t, took, due)
			require.LessOrEqual(t, took, due+2*q.interval)
		}
		q.mu.Lock()
		q.flying = 0
		q.mu.Unlock()
		time.Sleep(2 * q.interval)
		q.mu.Lock()
		defer q.mu.Unlock()
		require.Nil(t, q.timer, "nobody waits")
	})
}
