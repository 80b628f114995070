package ratelimit

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestQueue(t *testing.T) {
	var q queue
	q.setTimeout(time.Minute)
	require.Equal(t, first, q.join(&call{}))
	var came []*call
	for range 3 {
		c := &call{}
		came = append(came, c)
		require.Equal(t, behind, q.join(c))
	}
	c := q.take()
	for _, want := range came {
		require.Same(t, want, c)
		c = c.next
	}
	require.Nil(t, c)

	q.fly(nil, came[2]) // did not go with the others
	next := &call{}
	require.Equal(t, behind, q.join(next))
	require.Same(t, came[2], q.take(), "who came before")
	require.Same(t, next, q.take())
	require.Nil(t, q.take())
	require.Equal(t, first, q.join(next), "nobody runs any more")
	q.length = maxWaiting
	require.Equal(t, none, q.join(next))
	q.timer.Stop()
}

// TestQueueTicks: whoever waits is told in time, wherever the call is.
func TestQueueTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue
		q.setTimeout(time.Second)
		require.Equal(t, first, q.join(&call{}))
		begin := time.Now()
		var all []*call
		for i := range 3 {
			time.Sleep(100 * time.Millisecond)
			c := &call{wake: make(chan struct{}, 1)}
			require.Equal(t, behind, q.join(c))
			all = append(all, c)
			switch i {
			case 0:
				q.fly(&batch{groups: []group{{q.take(), c}}}, nil)
			case 1:
				sent := q.sent
				q.fly(sent, func() *call { c := q.take(); q.busy = true; return c }())
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
		q.busy = false
		q.mu.Unlock()
		time.Sleep(2 * q.interval)
		q.mu.Lock()
		defer q.mu.Unlock()
		require.Nil(t, q.timer, "nobody waits")
	})
}
