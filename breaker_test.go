package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// moody is a store that answers, or does what away says.
type moody struct {
	mu     sync.Mutex
	away   func(ctx context.Context, keys []string) error // nil: it answers
	asked  []time.Time                                    // when runs came that may take units
	probed []time.Time                                    // when runs came that take none, such as probes
}

func (m *moody) Prompt() bool { return true }

func (m *moody) Run(ctx context.Context, _ *store.Script, keys []string, args []int64) ([]int64, error) {
	m.mu.Lock()
	away := m.away
	if args[len(args)-2] == 0 {
		m.probed = append(m.probed, time.Now())
	} else {
		m.asked = append(m.asked, time.Now())
	}
	m.mu.Unlock()
	if away != nil {
		if err := away(ctx, keys); err != nil {
			return nil, err
		}
	}
	return []int64{1, 0, 0, 0}, nil
}

func (m *moody) set(away func(context.Context, []string) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = away
}

// comeBack has it answer again, and waits until everything under way has ended: a
// testing/synctest bubble cannot end before.
func (m *moody) comeBack() {
	m.set(nil)
	time.Sleep(2 * time.Second)
}

// counts returns how many decisions and how many probes came since it was last
// called.
func (m *moody) counts() (asked, probed int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	asked, probed = len(m.asked), len(m.probed)
	m.asked, m.probed = nil, nil
	return asked, probed
}

func refuses(context.Context, []string) error { return syscall.ECONNREFUSED }

func hangs(ctx context.Context, _ []string) error {
	<-ctx.Done()
	return ctx.Err()
}

// witness is an observer that keeps the events of decisions and of breakers.
type witness struct {
	events
	mu      sync.Mutex
	changes []ratelimit.BreakerEvent
}

func (w *witness) ObserveBreaker(e ratelimit.BreakerEvent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changes = append(w.changes, e)
}

// states returns the states that breakers have changed to since it was last called.
func (w *witness) states() (states []ratelimit.BreakerState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.changes {
		states = append(states, e.State)
	}
	w.changes = nil
	return states
}

// fast is a limit for tests that are about the store, and not about the limit.
var fast = tokenbucket.Limit{Rate: 1_000_000, Period: time.Second}

// limiter returns a limiter on s that w observes.
func (w *witness) limiter(t *testing.T, s store.Store, options ...ratelimit.Option) *ratelimit.Limiter {
	l, err := ratelimit.New(s, fast, append([]ratelimit.Option{ratelimit.WithObserver(w)}, options...)...)
	require.NoError(t, err)
	return l
}

// class makes one call, and returns the class of the failure, or "" if Redis decided.
func (w *witness) class(t *testing.T, l *ratelimit.Limiter, identity string) ratelimit.ErrorClass {
	w.take()
	r, err := l.Allow(context.Background(), identity)
	require.NoError(t, err)
	told := w.take()
	require.Len(t, told, 1)
	require.Equal(t, told[0].Err != nil, r.Degraded)
	return told[0].Class
}

// TestBreaker checks that three runs without an answer open the breaker, that then nobody
// waits and nothing is sent but one probe at a time, and that the answer to a probe closes the
// breaker.
func TestBreaker(t *testing.T) {
	for name, away := range map[string]func(context.Context, []string) error{"Refuses": refuses, "Hangs": hangs} {
		for mode, options := range map[string][]ratelimit.Option{"Batching": nil, "Alone": {ratelimit.WithoutBatching()}} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					const timeout = 100 * time.Millisecond
					var m moody
					var w witness
					l := w.limiter(t, &m, append(options, ratelimit.WithTimeout(timeout))...)
					require.Empty(t, w.class(t, l, "x"))
					m.set(away)
					for range 3 {
						require.NotContains(t, []ratelimit.ErrorClass{"", ratelimit.ClassBreaker}, w.class(t, l, "x"))
					}
					require.Equal(t, []ratelimit.BreakerState{ratelimit.BreakerOpen}, w.states())
					asked, _ := m.counts()
					require.Equal(t, 4, asked)

					begin := time.Now()
					for time.Since(begin) < 20*time.Second {
						before := time.Now()
						require.Equal(t, ratelimit.ClassBreaker, w.class(t, l, "x"))
						require.Zero(t, time.Since(before), "at once")
						time.Sleep(time.Millisecond)
					}
					m.mu.Lock()
					require.Empty(t, m.asked)
					probed := m.probed
					m.mu.Unlock()
					require.Less(t, len(probed), 80, "probes in 20 s")
					require.Greater(t, len(probed), 20, "probes in 20 s")
					for i := range probed[1:] {
						pause := probed[i+1].Sub(probed[i])
						require.GreaterOrEqual(t, pause, 18*time.Millisecond)
						require.LessOrEqual(t, pause, 500*time.Millisecond+timeout)
					}

					m.set(nil)
					begin = time.Now()
					for w.class(t, l, "x") != "" {
						require.Less(t, time.Since(begin), time.Second)
						time.Sleep(time.Millisecond)
					}
					require.Equal(t, []ratelimit.BreakerState{ratelimit.BreakerClosed}, w.states())
				})
			})
		}
	}
}

// TestBreakerEvents checks what observers are told of a breaker, even if one of them panics.
func TestBreakerEvents(t *testing.T) {
	logger := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler)) // it would log the observer that panics
	defer slog.SetDefault(logger)
	synctest.Test(t, func(t *testing.T) {
		var m moody
		var w witness
		l := w.limiter(t, &m, ratelimit.WithNamespace("n"), ratelimit.WithObserver(grumpy{}))
		m.set(refuses)
		for range 3 {
			w.class(t, l, "x")
		}
		time.Sleep(10 * time.Second) // nobody calls
		m.set(nil)
		w.class(t, l, "x")
		require.Len(t, w.changes, 3)
		opened, half, closed := w.changes[0], w.changes[1], w.changes[2]
		require.ErrorIs(t, opened.Err, syscall.ECONNREFUSED)
		opened.Err = nil
		require.Equal(t, ratelimit.BreakerEvent{Namespace: "n", Algorithm: "token_bucket",
			From: ratelimit.BreakerClosed, State: ratelimit.BreakerOpen, Class: ratelimit.ClassRefused}, opened)
		require.Equal(t, ratelimit.BreakerOpen, half.From)
		require.Equal(t, ratelimit.BreakerHalfOpen, half.State)
		require.InDelta(t, 5*time.Second, half.Elapsed, float64(time.Second))
		require.Equal(t, ratelimit.BreakerHalfOpen, closed.From)
		require.Equal(t, ratelimit.BreakerClosed, closed.State)
		require.Equal(t, 10*time.Second, closed.Elapsed)
	})
}

// grumpy is an observer of breakers that panics.
type grumpy struct{}

func (grumpy) Observe(context.Context, ratelimit.Event) {}
func (grumpy) ObserveBreaker(ratelimit.BreakerEvent)    { panic("no") }

// TestBreakerIdle checks that a breaker does not probe for ever if nobody calls. It becomes
// half-open: the next call goes through, and if it gets no answer, the breaker is open again.
func TestBreakerIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m moody
		var w witness
		l := w.limiter(t, &m)
		m.set(refuses)
		for range 3 {
			require.Equal(t, ratelimit.ClassRefused, w.class(t, l, "x"))
		}
		time.Sleep(time.Minute)
		_, probed := m.counts()
		require.Less(t, probed, 25)
		require.Greater(t, probed, 5)
		require.Equal(t, []ratelimit.BreakerState{ratelimit.BreakerOpen, ratelimit.BreakerHalfOpen}, w.states())
		require.Equal(t, ratelimit.ClassRefused, w.class(t, l, "x"), "let through")
		require.Equal(t, ratelimit.ClassBreaker, w.class(t, l, "x"))
		require.Equal(t, []ratelimit.BreakerState{ratelimit.BreakerOpen}, w.states())

		// As long as somebody calls now and then, the breaker stays open, and nobody waits.
		for range 20 {
			time.Sleep(4 * time.Second)
			require.Equal(t, ratelimit.ClassBreaker, w.class(t, l, "x"))
		}
		time.Sleep(time.Minute)
		m.set(nil)
		require.Empty(t, w.class(t, l, "x"))
		states := w.states()
		require.Equal(t, []ratelimit.BreakerState{ratelimit.BreakerHalfOpen, ratelimit.BreakerClosed}, states)
	})
}

// TestBreakerStaysClosed checks that a breaker is not opened by error replies and bad replies,
// which are answers, by panics and callers that leave, which say nothing of Redis, or by
// failures with answers in between.
func TestBreakerStaysClosed(t *testing.T) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		away func(context.Context, []string) error
	}{
		"ErrorReply": {context.Background(), func(context.Context, []string) error {
			return &store.ServerError{Message: "LOADING Redis is loading the dataset in memory"}
		}},
		"BadReply":  {context.Background(), func(context.Context, []string) error { return store.ErrReply }},
		"Panic":     {context.Background(), func(context.Context, []string) error { panic("no") }},
		"Cancelled": {ended, hangs},
		"InBetween": {context.Background(), func() func(context.Context, []string) error {
			var calls atomic.Int64
			return func(context.Context, []string) error {
				if calls.Add(1)%3 == 0 {
					return nil
				}
				return errors.New("broken pipe")
			}
		}()},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var m moody
				var w witness
				l := w.limiter(t, &m)
				m.set(c.away)
				for range 30 {
					_, _ = l.Allow(c.ctx, "x")
				}
				// Nor do callers that leave before the answer.
				soon, cancel := context.WithTimeout(context.Background(), time.Millisecond)
				defer cancel()
				m.set(hangs)
				for range 10 {
					_, _ = l.Allow(soon, "x")
				}
				require.Empty(t, w.states())
			})
		})
	}
}

// TestBreakerIgnoresThePast checks that runs which began before the breaker closed, and end
// later without an answer, do not open it again.
func TestBreakerIgnoresThePast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m moody
		var w witness
		l := w.limiter(t, &m, ratelimit.WithoutBatching(), ratelimit.WithTimeout(10*time.Second))
		m.set(func(context.Context, []string) error {
			time.Sleep(5 * time.Second)
			return errors.New("broken pipe")
		})
		var slow sync.WaitGroup
		for range 10 {
			slow.Go(func() { _, _ = l.Allow(context.Background(), "x") })
		}
		time.Sleep(time.Millisecond)
		m.set(refuses)
		for range 3 {
			_, err := l.Allow(context.Background(), "x")
			require.NoError(t, err)
		}
		m.set(nil)
		time.Sleep(time.Second)
		require.Equal(t, []ratelimit.BreakerState{ratelimit.BreakerOpen, ratelimit.BreakerClosed}, w.states())
		slow.Wait()
		require.Empty(t, w.class(t, l, "x"))
		require.Empty(t, w.states())
	})
}

// TestWithoutBreaker checks that without a breaker each call asks Redis.
func TestWithoutBreaker(t *testing.T) {
	var m moody
	var w witness
	l := w.limiter(t, &m, ratelimit.WithoutBreaker())
	m.set(refuses)
	for range 100 {
		require.Equal(t, ratelimit.ClassRefused, w.class(t, l, "x"))
	}
	require.Empty(t, w.states())
}

// TestBreakerReleasesTheQueue checks that calls that wait in the queue when the breaker opens
// are not sent.
func TestBreakerReleasesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m moody
		var w witness
		l := w.limiter(t, &m, ratelimit.WithTimeout(time.Minute))
		m.set(func(ctx context.Context, keys []string) error {
			time.Sleep(time.Second)
			return errors.New("broken pipe")
		})
		var all sync.WaitGroup
		call := func() { all.Go(func() { _, _ = l.Allow(context.Background(), "x") }) }
		for _, pause := range []time.Duration{0, 1500, 1000} { // one run after the other, all of one key
			call()
			synctest.Wait()
			time.Sleep(pause * time.Millisecond)
		}
		for range 1000 { // while the third run is in flight
			call()
		}
		all.Wait()
		classes := map[ratelimit.ErrorClass]int{}
		for _, e := range w.take() {
			classes[e.Class]++
		}
		asked, _ := m.counts()
		require.Equal(t, 3, asked)
		require.Equal(t, 1000, classes[ratelimit.ClassBreaker], "%v", classes)
		m.comeBack()
	})
}

// TestBreakerSurvivesItsProbe checks that probing goes on after a probe in which the store
// panics or ends the goroutine.
func TestBreakerSurvivesItsProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m moody
		var w witness
		l := w.limiter(t, &m)
		m.set(refuses)
		for range 3 {
			w.class(t, l, "x")
		}
		var probes atomic.Int64
		m.set(func(context.Context, []string) error {
			switch probes.Add(1) {
			case 1:
				panic("no")
			case 2:
				runtime.Goexit()
			}
			return nil
		})
		time.Sleep(time.Second)
		require.EqualValues(t, 3, probes.Load())
		require.Empty(t, w.class(t, l, "x"))
	})
}

// apart is a store of two servers, each with one partition: 0 for the first, 1<<63 for the
// second. One key in eight is on the first.
type apart struct{ *moody }

func (apart) Partition(key string) (uint64, bool) {
	if hash := key[strings.LastIndex(key, ":")+1:]; hash[0] < '2' {
		return 0, true
	}
	return 1 << 63, true
}

// TestBreakerOfOneServer checks that where keys are partitioned, a server that is away opens
// the breaker of its own keys only: the other keys are decided.
func TestBreakerOfOneServer(t *testing.T) {
	for mode, options := range map[string][]ratelimit.Option{"Batching": nil, "Alone": {ratelimit.WithoutBatching()}} {
		t.Run(mode, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var m moody
				var w witness
				defer m.comeBack()
				s := apart{&m}
				l := w.limiter(t, s, options...)
				m.set(func(ctx context.Context, keys []string) error {
					if p, _ := s.Partition(keys[0]); p == 0 {
						return hangs(ctx, keys)
					}
					return nil
				})
				got := map[bool]map[ratelimit.ErrorClass]int{true: {}, false: {}}
				for i := range 200 {
					identity := fmt.Sprint(i)
					p, _ := s.Partition(ratelimit.KeyOf(l, identity))
					got[p == 0][w.class(t, l, identity)]++
				}
				require.Len(t, got[false], 1, "%v", got)
				require.NotZero(t, got[false][""])
				require.Equal(t, 3, got[true][ratelimit.ClassTimeout])
				require.NotZero(t, got[true][ratelimit.ClassBreaker])
			})
		})
	}
}

// TestBreakerWhereSomeAnswer checks a store that does not say that its Redis is several
// servers, so that there is one breaker for all. Keys on a server that is away may open it,
// and a probe with a key on another server closes it.
func TestBreakerWhereSomeAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m moody
		var w witness
		l := w.limiter(t, &m)
		away := ratelimit.KeyOf(l, "away")
		m.set(func(_ context.Context, keys []string) error {
			if keys[0] == away {
				return syscall.ECONNREFUSED
			}
			return nil
		})
		for range 3 {
			require.Equal(t, ratelimit.ClassRefused, w.class(t, l, "away"))
		}
		require.Equal(t, ratelimit.ClassBreaker, w.class(t, l, "there"))
		time.Sleep(100 * time.Millisecond)
		require.Empty(t, w.class(t, l, "there"))
	})
}

// TestFailureModeOfACallSite checks that one limiter can fail open at one call site and closed
// at another.
func TestFailureModeOfACallSite(t *testing.T) {
	var m moody
	var w witness
	reading, err := ratelimit.New(&m, fast, ratelimit.WithObserver(&w))
	require.NoError(t, err)
	login := reading.WithFailureMode(ratelimit.FailClosed)
	for _, l := range []*ratelimit.Limiter{reading, login} {
		r, err := l.Allow(context.Background(), "x")
		require.NoError(t, err)
		require.True(t, r.Allowed && !r.Degraded)
	}
	m.set(refuses)
	for i := range 10 {
		for l, allowed := range map[*ratelimit.Limiter]bool{
			reading: true,
			login:   false,
			login.WithFailureMode(ratelimit.FailOpen): true,
			reading.WithFailureMode(42):               false,
		} {
			r, err := l.Allow(context.Background(), fmt.Sprint(i))
			require.NoError(t, err)
			require.Equal(t, allowed, r.Allowed)
			require.True(t, r.Degraded)
		}
	}
	require.Equal(t, []ratelimit.BreakerState{ratelimit.BreakerOpen}, w.states(), "they share a breaker")

	var none *ratelimit.Limiter
	_, err = none.WithFailureMode(ratelimit.FailOpen).Allow(context.Background(), "x")
	require.Error(t, err)
}

// BenchmarkBreakerOpen measures a decision while Redis is away and the breaker is open.
func BenchmarkBreakerOpen(b *testing.B) {
	var m moody
	l, err := ratelimit.New(&m, fast)
	require.NoError(b, err)
	m.set(refuses)
	for range 3 {
		_, err := l.Allow(context.Background(), "x")
		require.NoError(b, err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if r, _ := l.Allow(context.Background(), "user:12345"); !r.Degraded {
				b.Error("decided")
			}
		}
	})
}
