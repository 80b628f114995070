package ratelimit_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	goclient "github.com/redis/go-redis/v9"
	rueclient "github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
	"github.com/distributed-rate-limiter/ratelimit/store/rueidis"
)

// onAnyClient runs test with the stores that Open makes, and with clients whose
// settings are their library's defaults.
func onAnyClient(t *testing.T, test func(t *testing.T, server *redistest.Server, s store.Store)) {
	onOne(t, func(t *testing.T, s site) { test(t, s.nodes[0], s.open(t)) })
	t.Run("goredis/defaults", func(t *testing.T) {
		server := redistest.Start(t)
		client := goclient.NewClient(&goclient.Options{Addr: server.Addr()})
		t.Cleanup(func() { _ = client.Close() })
		test(t, server, goredis.New(client))
	})
	t.Run("rueidis/defaults", func(t *testing.T) {
		server := redistest.Start(t)
		client, err := rueclient.NewClient(rueclient.ClientOption{InitAddress: []string{server.Addr()}})
		require.NoError(t, err)
		t.Cleanup(client.Close)
		test(t, server, rueidis.New(client))
	})
}

// events collects what an observer is told.
type events struct {
	mu  sync.Mutex
	all []ratelimit.Event
}

func (e *events) Observe(_ context.Context, event ratelimit.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, event)
}

func (e *events) take() []ratelimit.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := slices.Clone(e.all)
	e.all = nil
	return all
}

// recovers waits until Redis decides again, by itself.
func recovers(t *testing.T, l *ratelimit.Limiter) {
	require.Eventually(t, func() bool {
		r, err := l.Allow(context.Background(), "after")
		return err == nil && r.Allowed && !r.Degraded
	}, 10*time.Second, 10*time.Millisecond, "back to normal")
}

// TestOutage: a Redis that refuses or hangs. Both modes decide within the
// limiter's timeout, observers are told why, and service returns by itself.
func TestOutage(t *testing.T) {
	const timeout = 150 * time.Millisecond
	// Timing is measured elsewhere; this only tells a limiter that leaves in
	// time from one that waits for its client's own timeouts of seconds.
	const slack = time.Second
	limit := tokenbucket.Limit{Rate: 1000, Period: time.Minute}
	onAnyClient(t, func(t *testing.T, server *redistest.Server, s store.Store) {
		for _, fault := range []struct {
			name       string
			begin, end func()
			classes    []ratelimit.ErrorClass
		}{
			{"hung", server.Pause, server.Resume, []ratelimit.ErrorClass{ratelimit.ClassTimeout, ratelimit.ClassOverloaded}},
			{"killed", server.Kill, server.Restart, []ratelimit.ErrorClass{ratelimit.ClassRefused, ratelimit.ClassUnavailable, ratelimit.ClassTimeout, ratelimit.ClassOverloaded}},
		} {
			t.Run(fault.name, func(t *testing.T) {
				for _, mode := range []ratelimit.FailureMode{ratelimit.FailOpen, ratelimit.FailClosed} {
					var seen events
					l := newLimiter(t, s, limit, ratelimit.WithFailureMode(mode), ratelimit.WithTimeout(timeout), ratelimit.WithObserver(&seen))
					recovers(t, l)
					seen.take()

					fault.begin()
					const callers = 500
					var wait sync.WaitGroup
					for i := range callers {
						wait.Go(func() {
							begin := time.Now()
							r, err := l.Allow(context.Background(), fmt.Sprint("caller", i))
							if took := time.Since(begin); took > timeout+slack {
								t.Errorf("answer after %v", took)
							}
							if err != nil || !r.Degraded || r.Allowed != (mode == ratelimit.FailOpen) {
								t.Errorf("mode %v: error %v, result %+v", mode, err, r)
							}
						})
					}
					wait.Wait()
					told := seen.take()
					require.Len(t, told, callers)
					for _, e := range told {
						require.Error(t, e.Err)
						require.Contains(t, fault.classes, e.Class, "%v", e.Err)
						require.True(t, e.Result.Degraded)
					}
					r, err := l.AllowN(context.Background(), "much", 1001)
					require.NoError(t, err)
					require.False(t, r.Allowed, "more than the limit can give, in any mode")
					require.Equal(t, algorithm.Never, r.RetryAfter)
					require.Error(t, l.Reset(context.Background(), "x"))

					fault.end()
					recovers(t, l)
				}
			})
		}
	})
}

// TestNewBeforeRedis: a limiter made while nothing listens works once Redis does.
func TestNewBeforeRedis(t *testing.T) {
	onOne(t, func(t *testing.T, s site) {
		s.nodes[0].Kill()
		l := newLimiter(t, s.open(t), tokenbucket.Limit{Rate: 10, Period: time.Minute}, ratelimit.WithTimeout(200*time.Millisecond))
		r, err := l.Allow(context.Background(), "x")
		require.NoError(t, err)
		require.True(t, r.Allowed && r.Degraded)
		s.nodes[0].Restart()
		recovers(t, l)
	})
}

// TestCallerGivesUp: a caller whose own context ends gets an error, whatever the
// mode, and that soon.
func TestCallerGivesUp(t *testing.T) {
	onAnyClient(t, func(t *testing.T, server *redistest.Server, s store.Store) {
		var seen events
		l := newLimiter(t, s, tokenbucket.Limit{Rate: 10, Period: time.Minute}, ratelimit.WithObserver(&seen), ratelimit.WithTimeout(time.Second))
		recovers(t, l)
		seen.take()
		server.Pause()
		defer server.Resume()

		ended, cancel := context.WithCancel(context.Background())
		cancel()
		soon, stop := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer stop()
		later, leave := context.WithCancel(context.Background())
		defer leave()
		time.AfterFunc(50*time.Millisecond, leave)
		for _, c := range []struct {
			ctx  context.Context
			want error
		}{{ended, context.Canceled}, {soon, context.DeadlineExceeded}, {later, context.Canceled}} {
			begin := time.Now()
			r, err := l.Allow(c.ctx, "x")
			require.ErrorIs(t, err, c.want)
			require.Zero(t, r)
			require.Less(t, time.Since(begin), 2*time.Second)
			told := seen.take()
			require.Len(t, told, 1)
			require.Equal(t, ratelimit.ClassCanceled, told[0].Class)
			require.ErrorIs(t, told[0].Err, c.want)
		}
	})
}

// TestBlackhole: an address that takes connections and never answers, from the
// first call on.
func TestBlackhole(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	for _, driver := range []string{"goredis", "rueidis"} {
		s, err := dial(driver, "redis://"+listener.Addr().String(), false)
		require.NoError(t, err)
		l := newLimiter(t, s, tokenbucket.Limit{Rate: 1, Period: time.Minute}, ratelimit.WithTimeout(100*time.Millisecond))
		var wait sync.WaitGroup
		for range 1000 {
			wait.Go(func() {
				begin := time.Now()
				r, err := l.Allow(context.Background(), "x")
				if took := time.Since(begin); err != nil || !r.Degraded || took > 2*time.Second {
					t.Errorf("%s: after %v: error %v, result %+v", driver, took, err, r)
				}
			})
		}
		wait.Wait()
		require.NoError(t, s.Close())
	}
}
