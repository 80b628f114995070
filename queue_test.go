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

// onQueue has test use a queue whose time stands still.
func onQueue(t *testing.T, test func(t *testing.T, q *queue)) {
	synctest.Test(t, func(t *testing.T) {
		q := &queue{}
		q.setTimeout(time.Minute)
		test(t, q)
		require.Zero(t, q.flying)
		require.Zero(t, q.sent)
		require.Zero(t, q.ready)
		require.Equal(t, [lanes]lane{}, q.lanes)
		require.Equal(t, [maxFlights]flight{}, q.flights)
		if q.timer != nil {
			q.timer.Stop()
		}
	})
}

// TestQueue: the calls of a lane keep their order, and are in one flight at a time.
func TestQueue(t *testing.T) {
	onQueue(t, func(t *testing.T, q *queue) {
		at, alone := q.join(&call{})
		require.Equal(t, first, at)
		came := inLane(0, 4)
		require.Empty(t, wait(t, q, came[:3]))
		require.Nil(t, q.take(), "the lane is in a flight")
		f := q.land(alone)
		requireCalls(t, f, came[:3]...)

		require.Empty(t, wait(t, q, came[3:]))
		q.fly(f, nil, came[1]) // did not go with the first
		require.Equal(t, 1, f.size)
		require.Equal(t, 1, q.sent)
		last := inLane(0, 1)
		require.Empty(t, wait(t, q, last))
		require.Nil(t, q.take())
		f = q.land(f)
		requireCalls(t, f, came[1], came[2], came[3], last[0])
		require.Nil(t, q.land(f))

		at, alone = q.join(last[0])
		require.Equal(t, first, at, "nobody runs any more")
		q.lanes[0].length = maxWaiting
		at, _ = q.join(&call{})
		require.Equal(t, none, at)
		q.lanes[0].length = 0
		require.Nil(t, q.land(alone))
	})
}

// TestQueueRest: what does not go with a flight comes back to its lanes, before what is
// there.
func TestQueueRest(t *testing.T) {
	onQueue(t, func(t *testing.T, q *queue) {
		_, f := q.join(&call{lane: 7})
		few, many := inLane(1, 40), inLane(2, maxTaken+10)
		q.flying = maxFlights // as if others were busy
		require.Empty(t, wait(t, q, few))
		require.Empty(t, wait(t, q, many))
		q.flying = 1
		f = q.land(f)
		requireCalls(t, f, append(few[:40:40], many[:maxTaken]...)...)
		laterFew, laterMany := inLane(1, 2), inLane(2, 2)
		require.Empty(t, wait(t, q, laterFew))
		require.Empty(t, wait(t, q, laterMany))
		q.fly(f, nil, few[38])
		require.Equal(t, 38, f.size)
		require.Equal(t, 38, q.sent)
		f = q.land(f)
		requireCalls(t, f, append(append(few[38:40:40], laterFew...), many[:maxTaken]...)...)
		f = q.land(f)
		requireCalls(t, f, append(many[maxTaken:], laterMany...)...)
		require.Nil(t, q.land(f))
	})
}

// TestQueueFlights: a flight beside others has as many calls as they have, or enough;
// and there are not too many.
func TestQueueFlights(t *testing.T) {
	onQueue(t, func(t *testing.T, q *queue) {
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
		require.Nil(t, q.land(due[0]), "fewer than enough, beside more")
		last := inLane(7, 6)
		due = wait(t, q, last)
		require.Len(t, due, 1, "enough, beside more")
		requireCalls(t, due[0], append(last[:6:6], many[6:]...)...)
		require.Nil(t, q.land(due[0]))
		require.Nil(t, q.land(e))
	})
}

// TestQueueTurn: a flight takes lanes, in turn, until it has enough calls.
func TestQueueTurn(t *testing.T) {
	onQueue(t, func(t *testing.T, q *queue) {
		_, f := q.join(&call{lane: 7})
		q.flying = maxFlights // as if others were busy
		var came [lanes][]*call
		fill := func(i int) {
			came[i] = inLane(uint8(i), enough-1)
			require.Empty(t, wait(t, q, came[i]))
		}
		for i := range came {
			fill(i)
		}
		q.flying = 1
		for _, want := range [][2]int{{0, 1}, {2, 3}, {4, 5}, {6, 7}, {0, 1}} {
			f = q.land(f)
			requireCalls(t, f, append(came[want[0]], came[want[1]]...)...)
			if want[0] == 0 && q.ready > 0 {
				for i := range 2 {
					fill(i)
				}
			}
		}
		f = q.land(f)
		require.Nil(t, f)
	})
}

// TestQueueSlow: who has waited for a whole tick goes, though few, beside a flight that
// is slow.
func TestQueueSlow(t *testing.T) {
	onQueue(t, func(t *testing.T, q *queue) {
		led := make(chan *flight, 1)
		q.lead = func(f *flight) { led <- f }
		q.flying = 3 // with many calls
		q.sent = enough
		few := inLane(1, 2)
		require.Empty(t, wait(t, q, few))
		time.Sleep(3 * q.interval)
		synctest.Wait()
		require.Len(t, led, 1)
		f := <-led
		requireCalls(t, f, few...)

		more := inLane(2, 1)
		require.Empty(t, wait(t, q, more))
		time.Sleep(5 * q.interval)
		synctest.Wait()
		require.Empty(t, led, "there are four flights")
		require.Nil(t, q.land(f))
		time.Sleep(2 * q.interval)
		synctest.Wait()
		require.Len(t, led, 1)
		f = <-led
		requireCalls(t, f, more...)
		q.flying, q.sent = 1, 1
		require.Nil(t, q.land(f))
		time.Sleep(2 * q.interval)
		synctest.Wait()
		require.Nil(t, q.timer, "nobody waits")
	})
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
				q.lanes[0] = lane{flying: true}
				f.size++
				q.sent++
				q.fly(f, f.batch, c)
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
