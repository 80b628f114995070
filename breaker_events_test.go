package ratelimit_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
)

// slow is an observer that holds up its first breaker event until it may go on.
type slow struct {
	witness
	begun sync.Once
	goOn  chan struct{}
}

func (s *slow) ObserveBreaker(e ratelimit.BreakerEvent) {
	s.witness.ObserveBreaker(e)
	s.begun.Do(func() { <-s.goOn })
}

// TestSlowBreakerObserver checks that service returns even while an observer is held up by a
// breaker event, and that the observer is told of later events in their order.
func TestSlowBreakerObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m moody
		w := &slow{goOn: make(chan struct{})}
		l, err := ratelimit.New(&m, fast, ratelimit.WithObserver(w), ratelimit.WithoutBatching())
		require.NoError(t, err)
		open := func() {
			m.set(refuses)
			for range 3 {
				_, err := l.Allow(context.Background(), "x")
				require.NoError(t, err)
			}
		}
		opened := make(chan struct{})
		go func() {
			defer close(opened)
			open()
		}()
		synctest.Wait() // the observer is being told
		for range 5 {
			m.comeBack()
			res, err := l.Allow(context.Background(), "x")
			require.NoError(t, err)
			require.False(t, res.Degraded)
			open()
		}
		m.comeBack()
		require.Equal(t, []ratelimit.BreakerState{ratelimit.BreakerOpen}, w.states())
		close(w.goOn)
		<-opened
		was := ratelimit.BreakerOpen
		require.Len(t, w.changes, 11)
		for _, e := range w.changes {
			require.Equal(t, was, e.From)
			was = e.State
		}
		require.Equal(t, ratelimit.BreakerClosed, was)
	})
}

// exits is an observer that ends each goroutine that tells it of a breaker, as a test's
// FailNow does.
type exits struct{ witness }

func (e *exits) ObserveBreaker(change ratelimit.BreakerEvent) {
	e.witness.ObserveBreaker(change)
	runtime.Goexit()
}

// TestBreakerObserverExits checks that service returns even if an observer ends each goroutine
// that tells it of a breaker.
func TestBreakerObserverExits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m moody
		w := &exits{}
		l, err := ratelimit.New(&m, fast, ratelimit.WithObserver(w), ratelimit.WithoutBatching())
		require.NoError(t, err)
		m.set(refuses)
		for range 3 {
			called := make(chan struct{})
			go func() {
				defer close(called)
				_, _ = l.Allow(context.Background(), "x")
			}()
			<-called
		}
		require.Equal(t, []ratelimit.BreakerState{ratelimit.BreakerOpen}, w.states())
		m.comeBack()
		res, err := l.Allow(context.Background(), "x")
		require.NoError(t, err)
		require.False(t, res.Degraded)
		require.Equal(t, []ratelimit.BreakerState{ratelimit.BreakerClosed}, w.states())
		time.Sleep(10 * time.Second)
	})
}
