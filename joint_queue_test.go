package ratelimit

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestJointQueueHurries checks that a call goes beside slow runs once it has waited for a whole
// tick, whatever came before it.
func TestJointQueueHurries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 10
		q := newJointQueue(time.Minute, func() {})
		for range 2 {
			at, _ := q.join(&jointCall{}, most)
			require.Equal(t, runsItself, at)
		}
		for range 2 {
			c := &jointCall{}
			at, due := q.join(c, most)
			require.Equal(t, isQueued, at)
			require.Empty(t, due)
			require.Empty(t, q.hurry(most), "part of a tick")
			require.Equal(t, []*jointCall{c}, q.hurry(most))
		}
		at, _ := q.join(&jointCall{}, most)
		require.Equal(t, isQueued, at)
		for range 5 {
			require.Empty(t, q.hurry(most), "there are as many runs as there may be")
		}
	})
}

// TestJointQueueLeaves checks that who leaves the queue is told whether the call may have been
// sent, and that it is not sent later.
func TestJointQueueLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 3
		q := newJointQueue(time.Minute, func() {})
		for range 2 {
			q.join(&jointCall{}, most)
		}
		calls := []*jointCall{{}, {}, {}, {}, {}, {}}
		for i, c := range calls {
			_, due := q.join(c, most)
			if i%most < most-1 {
				require.Empty(t, due)
			} else {
				require.Equal(t, calls[i-most+1:i+1], due, "enough for a run")
			}
		}
		require.False(t, q.leave(calls[0]))

		late := []*jointCall{{}, {}}
		for _, c := range late {
			q.join(c, most)
		}
		require.True(t, q.leave(late[0]))
		for range 2 {
			require.Empty(t, q.land(most), "two are in flight")
		}
		require.Equal(t, late[1:], q.land(most))
		require.False(t, q.leave(late[1]))
		require.Empty(t, q.land(most))
		require.Empty(t, q.land(most))
		require.Zero(t, q.flying)
	})
}

// TestJointQueueOrder checks that no call overtakes those that wait, even if runs may have fewer
// calls by now.
func TestJointQueueOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newJointQueue(time.Minute, func() {})
		for range 2 {
			q.join(&jointCall{}, 10)
		}
		first, second := &jointCall{}, &jointCall{}
		q.join(first, 10)
		at, due := q.join(second, 1)
		require.Equal(t, isQueued, at)
		require.Equal(t, []*jointCall{first}, due)
		require.Equal(t, []*jointCall{second}, q.land(1))
	})
}
