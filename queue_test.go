package ratelimit

import (
	"hash/crc32"
	"math"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
)

// inLane returns n calls of one lane.
func inLane(lane uint8, n int) (calls []*call) {
	for range n {
		calls = append(calls, &call{lane: lane, wake: make(chan wakeup, 1)})
	}
	return calls
}

// aQueue is a queue that keeps the flights that it starts, instead of running them.
type aQueue struct {
	queue
	started []*flight
}

// wait has calls join, requires that they wait, and returns the flights that this starts.
func (q *aQueue) wait(t *testing.T, calls []*call) []*flight {
	for _, c := range calls {
		at, _ := q.join(c)
		require.Equal(t, isQueued, at)
	}
	return q.due()
}

// due returns the flights that were started since it was last called.
func (q *aQueue) due() []*flight {
	q.mu.Lock()
	defer q.mu.Unlock()
	defer func() { q.started = nil }()
	return q.started
}

// landed ends a flight, and returns the flight that becomes due by that, or nil. There must be
// no more than one.
func (q *aQueue) landed(t *testing.T, f *flight) *flight {
	next, held := q.land(f, 0)
	require.False(t, held)
	require.Empty(t, q.due())
	return next
}

// crowded returns a flight behind which that many calls wait in each lane. It also makes the
// queue believe that the most flights that there may be are under way.
func (q *aQueue) crowded(t *testing.T, calls int) (f *flight, came [lanes][]*call) {
	_, f = q.join(&call{lane: lanes - 1})
	q.flying = maxFlights
	for i := range came {
		came[i] = inLane(uint8(i), calls)
		require.Empty(t, q.wait(t, came[i]))
	}
	return f, came
}

// requireCalls requires that the flight has exactly these calls, in this order.
func requireCalls(t *testing.T, f *flight, want ...*call) {
	t.Helper()
	require.NotNil(t, f)
	require.Equal(t, len(want), f.size)
	require.Len(t, f.calls, len(want))
	for i, want := range want {
		require.Same(t, want, f.calls[i])
	}
}

// onQueue runs test on a queue under a virtual clock. It then requires that the queue is
// empty, and keeps neither calls nor the memory of a crowd.
func onQueue(t *testing.T, test func(t *testing.T, q *aQueue)) {
	synctest.Test(t, func(t *testing.T) {
		q := &aQueue{}
		q.start = func(f *flight) { q.started = append(q.started, f) }
		q.setTimeout(time.Minute)
		test(t, q)
		require.Zero(t, q.flying)
		require.Zero(t, q.sent)
		require.Zero(t, q.ready)
		require.Empty(t, q.started)
		var kept [][]*call
		for i := range q.lanes {
			l := &q.lanes[i]
			require.Zero(t, l.waiting())
			require.Zero(t, l.head)
			require.False(t, l.flying)
			kept = append(kept, l.calls)
		}
		for _, f := range q.flights {
			kept = append(kept, f.calls)
			f.calls = nil
			require.Equal(t, flight{}, f)
		}
		for _, calls := range kept {
			require.Empty(t, calls)
			require.LessOrEqual(t, cap(calls), 2*maxTaken, "a crowd's room is not kept")
			for _, c := range calls[:cap(calls)] {
				require.Nil(t, c, "nor is a call")
			}
		}
		if q.timer != nil {
			q.timer.Stop()
		}
	})
}

// TestQueue checks that the calls of a lane keep their order, and are in one flight at a time.
func TestQueue(t *testing.T) {
	onQueue(t, func(t *testing.T, q *aQueue) {
		at, alone := q.join(&call{})
		require.Equal(t, runsItself, at)
		came := inLane(0, 4)
		require.Empty(t, q.wait(t, came[:3]))
		require.Empty(t, q.due(), "the lane is in a flight")
		f := q.landed(t, alone)
		requireCalls(t, f, came[:3]...)

		require.Empty(t, q.wait(t, came[3:]))
		q.note(f, nil, f.calls[1:]) // they did not go with the first
		require.Equal(t, 1, f.size)
		require.Equal(t, 1, q.sent)
		last := inLane(0, 1)
		require.Empty(t, q.wait(t, last))
		require.Empty(t, q.due())
		f = q.landed(t, f)
		requireCalls(t, f, came[1], came[2], came[3], last[0])
		require.Nil(t, q.landed(t, f))

		at, alone = q.join(last[0])
		require.Equal(t, runsItself, at, "nobody runs any more")
		q.lanes[0].calls = make([]*call, maxWaiting)
		at, _ = q.join(&call{})
		require.Equal(t, laneFull, at)
		q.lanes[0].calls = nil
		require.Nil(t, q.landed(t, alone))
	})
}

// TestQueueRest checks that calls that a flight has taken but does not send go back to their
// lanes, before the calls that are there.
func TestQueueRest(t *testing.T) {
	onQueue(t, func(t *testing.T, q *aQueue) {
		_, f := q.join(&call{lane: 7})
		few, many := inLane(1, 40), inLane(2, maxTaken+10)
		q.flying = maxFlights // as if others were in flight
		require.Empty(t, q.wait(t, few))
		require.Empty(t, q.wait(t, many))
		q.flying = 1
		f = q.landed(t, f)
		requireCalls(t, f, append(few[:40:40], many[:maxTaken]...)...)
		laterFew, laterMany := inLane(1, 2), inLane(2, 2)
		require.Empty(t, q.wait(t, laterFew))
		require.Empty(t, q.wait(t, laterMany))
		q.note(f, nil, f.calls[38:])
		require.Equal(t, 38, f.size)
		require.Equal(t, 38, q.sent)
		f = q.landed(t, f)
		requireCalls(t, f, append(append(few[38:40:40], laterFew...), many[:maxTaken]...)...)
		f = q.landed(t, f)
		requireCalls(t, f, append(many[maxTaken:], laterMany...)...)
		require.Nil(t, q.landed(t, f))
	})
}

// TestQueueCrowd checks that a lane keeps no trace of a crowd of calls that came and went.
func TestQueueCrowd(t *testing.T) {
	for _, n := range []int{maxTaken, 2*maxTaken - 1, 2 * maxTaken, 6000, 9000, maxWaiting} {
		onQueue(t, func(t *testing.T, q *aQueue) {
			_, f := q.join(&call{lane: 3})
			crowd := inLane(3, n)
			require.Empty(t, q.wait(t, crowd))
			for f = q.landed(t, f); f != nil; f = q.landed(t, f) {
				some := min(len(crowd), maxTaken)
				requireCalls(t, f, crowd[:some]...)
				back := some % 100 / 2 // some are to go again
				crowd = crowd[some-back:]
				q.note(f, nil, f.calls[some-back:])
			}
			require.Empty(t, crowd)
			_, f = q.join(&call{lane: 3})
			few := inLane(3, 3)
			require.Empty(t, q.wait(t, few))
			f = q.landed(t, f)
			requireCalls(t, f, few...)
			require.Nil(t, q.landed(t, f))
		})
	}
}

// TestQueueFlights checks that a flight begins beside others only if it has as many calls as
// they have together, or enough, and that there are never too many flights.
func TestQueueFlights(t *testing.T) {
	onQueue(t, func(t *testing.T, q *aQueue) {
		at, a := q.join(&call{lane: 0})
		require.Equal(t, runsItself, at)
		at, b := q.join(&call{lane: 1})
		require.Equal(t, runsItself, at, "one may go beside one")

		two := inLane(2, 2)
		due := q.wait(t, two)
		require.Len(t, due, 1)
		c := due[0]
		requireCalls(t, c, two...)
		three := append(inLane(3, 2), inLane(4, 1)...)
		require.Empty(t, q.wait(t, three), "three are few beside four")
		d := q.landed(t, a)
		requireCalls(t, d, three...)
		require.Equal(t, [lanes]bool{3: true, 4: true}, d.lanes)

		many := inLane(5, enough)
		due = q.wait(t, many)
		require.Len(t, due, 1)
		requireCalls(t, due[0], many[:6]...)
		require.Empty(t, q.due(), "the others' lane is in a flight")
		more := inLane(6, 2*enough)
		require.Empty(t, q.wait(t, more), "there are four flights")
		e := q.landed(t, b)
		requireCalls(t, e, more...)
		for _, f := range []*flight{c, d} {
			require.Nil(t, q.landed(t, f))
		}
		require.Nil(t, q.landed(t, due[0]), "fewer than enough, beside more")
		last := inLane(7, 6)
		due = q.wait(t, last)
		require.Len(t, due, 1, "enough, beside more")
		requireCalls(t, due[0], append(last[:6:6], many[6:]...)...)
		require.Nil(t, q.landed(t, due[0]))
		require.Nil(t, q.landed(t, e))
	})
}

// TestQueueTurn checks that a flight takes lanes, in turn, until it has enough calls.
func TestQueueTurn(t *testing.T) {
	onQueue(t, func(t *testing.T, q *aQueue) {
		f, came := q.crowded(t, enough-1)
		for _, want := range [][2]int{{0, 1}, {2, 3}, {4, 5}, {6, 7}, {0, 1}} {
			f = q.landed(t, f)
			requireCalls(t, f, append(came[want[0]], came[want[1]]...)...)
			if want[0] == 0 && q.ready > 0 {
				for i := range 2 {
					came[i] = inLane(uint8(i), enough-1)
					require.Empty(t, q.wait(t, came[i]))
				}
			}
		}
		q.flying = 1
		require.Nil(t, q.landed(t, f))
	})
}

// TestQueueStarts checks that all flights that become due by one landing start at once.
func TestQueueStarts(t *testing.T) {
	onQueue(t, func(t *testing.T, q *aQueue) {
		f, came := q.crowded(t, enough)
		q.flying = 1
		next, held := q.land(f, 0)
		require.False(t, held)
		due := append([]*flight{next}, q.due()...)
		require.Len(t, due, maxFlights)
		for i, f := range due {
			requireCalls(t, f, came[i]...)
		}
		for i, f := range due {
			due[i] = q.landed(t, f)
			requireCalls(t, due[i], came[maxFlights+i]...)
		}
		for _, f := range due {
			require.Nil(t, q.landed(t, f))
		}
	})
}

// TestQueueSlow checks that calls that have waited for a whole tick, however few, go beside
// flights that are slow.
func TestQueueSlow(t *testing.T) {
	onQueue(t, func(t *testing.T, q *aQueue) {
		q.flying = 3 // with many calls
		q.sent = enough
		few := inLane(1, 2)
		require.Empty(t, q.wait(t, few))
		time.Sleep(3 * q.interval)
		synctest.Wait()
		due := q.due()
		require.Len(t, due, 1)
		f := due[0]
		requireCalls(t, f, few...)

		more := inLane(2, 1)
		require.Empty(t, q.wait(t, more))
		time.Sleep(5 * q.interval)
		synctest.Wait()
		require.Empty(t, q.due(), "there are four flights")
		require.Nil(t, q.landed(t, f))
		time.Sleep(2 * q.interval)
		synctest.Wait()
		due = q.due()
		require.Len(t, due, 1)
		f = due[0]
		requireCalls(t, f, more...)
		q.flying, q.sent = 1, 1
		require.Nil(t, q.landed(t, f))
		time.Sleep(2 * q.interval)
		synctest.Wait()
		require.Nil(t, q.timer, "nobody waits")
	})
}

// TestQueueTicks checks that each call is told in time that it is late, whether it is in a
// lane, in a run, or was put back.
func TestQueueTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := aQueue{}
		q.start = func(f *flight) { q.started = append(q.started, f) }
		q.setTimeout(time.Second)
		_, f := q.join(&call{})
		begin := time.Now()
		all := inLane(0, 3)
		for i, c := range all {
			time.Sleep(100 * time.Millisecond)
			require.Empty(t, q.wait(t, all[i:i+1]))
			switch i {
			case 0: // in a run
				f = q.landed(t, f)
				q.note(f, &batch{groups: []group{{calls: f.calls}}}, nil)
			case 1: // taken, and put back
				q.lanes[0].head++
				f.size++
				q.sent++
				q.note(f, f.batch, []*call{c})
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

// TestQueueEndless checks that with the longest timeout there is, a call does not become late.
func TestQueueEndless(t *testing.T) {
	onQueue(t, func(t *testing.T, q *aQueue) {
		q.setTimeout(math.MaxInt64)
		_, f := q.join(&call{})
		c := inLane(0, 1)
		require.Empty(t, q.wait(t, c))
		time.Sleep(time.Second)
		synctest.Wait()
		require.False(t, c[0].late.Load())
		f = q.landed(t, f)
		require.Nil(t, q.landed(t, f))
	})
}

// edge is a Store whose keys are all in the first and the last of the partitions there can be.
type edge struct{ noStore }

func (edge) Partition(key string) (uint64, bool) {
	return -uint64(crc32.ChecksumIEEE([]byte(key)) % 2), true
}

// TestEnds checks that there is a queue and a breaker for each partition there can be, the
// first and the last included.
func TestEnds(t *testing.T) {
	l, err := New(edge{}, tokenbucket.Limit{Rate: 1, Period: time.Hour})
	require.NoError(t, err)
	seen := map[*queue]*breaker{}
	for i := range 64 {
		c := l.newCall(sum{byte(i)}, 1)
		q := l.batcher.queue(l, c)
		seen[q] = l.breakers.of(c.partition)
	}
	require.Len(t, seen, 2)
	require.NotNil(t, seen[&l.batcher.queues[0]])
	require.NotNil(t, seen[&l.batcher.queues[queueCount-1]])
}

// TestCallLines checks that a call fills two cache lines, so that it shares neither with
// another.
func TestCallLines(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("for addresses of 8 bytes")
	}
	require.EqualValues(t, 2*64, unsafe.Sizeof(call{}))
	require.EqualValues(t, 64, unsafe.Offsetof(call{}.late), "the run's")
}

// TestWakeupLines checks that a caller's channel fills whole cache lines, too.
func TestWakeupLines(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("for addresses of 8 bytes")
	}
	const many = 1000
	channels := make([]chan wakeup, many)
	size := uint64(math.MaxUint64) // the least of ten, as other goroutines allocate at times
	for range 10 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for i := range channels {
			channels[i] = make(chan wakeup, 1)
		}
		runtime.ReadMemStats(&after)
		size = min(size, (after.TotalAlloc-before.TotalAlloc)/many)
	}
	runtime.KeepAlive(channels)
	require.EqualValues(t, 2*64, size)
}
