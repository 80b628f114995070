package flights

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/deadline"
)

// sky is Flights whose flights stay under way until the test lets them land.
type sky struct {
	Flights[int]
	t *testing.T

	mu      sync.Mutex
	begun   [][]int // the work of each flight, in the order in which they began
	ctxs    []context.Context
	landing []chan func()
}

// newSky returns a sky in which callers send their own work if here is true.
func newSky(t *testing.T, here bool) *sky {
	s := &sky{t: t}
	s.Slow = time.Hour
	s.Fly = s.fly
	s.Here = func(ctx context.Context, _ int, work int) bool {
		if here {
			s.fly(ctx, []int{work})
		}
		return here
	}
	return s
}

func (s *sky) fly(ctx context.Context, all []int) {
	s.mu.Lock()
	s.begun = append(s.begun, slices.Clone(all))
	s.ctxs = append(s.ctxs, ctx)
	landing := make(chan func())
	s.landing = append(s.landing, landing)
	s.mu.Unlock()
	if last := <-landing; last != nil {
		last()
	}
}

// do begins to do work, and returns a channel with what Do will return.
func (s *sky) do(ctx context.Context, work, words int) <-chan bool {
	landed := make(chan bool, 1)
	go func() { landed <- s.Do(ctx, work, words) }()
	synctest.Wait()
	return landed
}

// land lets the flight land that began as the nth, counted from 0, once it has called last.
func (s *sky) land(n int, last func()) {
	s.landing[n] <- last
	synctest.Wait()
}

// counts requires that this many flights are under way, and this many callers wait.
func (s *sky) counts(flying, waiting int) {
	s.t.Helper()
	f, w := s.Counts()
	require.Equal(s.t, []int{flying, waiting}, []int{f, w})
}

// TestFlights checks that the first calls go at once, each by itself, on the caller's
// goroutine or on another. Others wait, and go together in the order in which they came, as
// many as fit in a flight.
func TestFlights(t *testing.T) {
	for name, here := range map[string]bool{"Here": true, "Fly": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSky(t, here)
				var landed []<-chan bool
				for i := range Few {
					landed = append(landed, s.do(context.Background(), i, 1))
					require.Equal(t, []int{i}, s.begun[i])
				}
				for i := range 5 {
					landed = append(landed, s.do(context.Background(), 10+i, Size/4+1))
				}
				s.counts(Few, 5)
				require.Len(t, s.begun, Few)

				s.land(2, nil)
				require.True(t, <-landed[2])
				s.counts(Few, 1)
				require.Equal(t, []int{10, 11, 12, 13}, s.begun[Few])
				s.land(0, nil)
				s.counts(Few, 0)
				require.Equal(t, []int{14}, s.begun[Few+1])
				for _, n := range []int{1, 3, Few, Few + 1} {
					s.land(n, nil)
				}
				for i, l := range landed {
					require.True(t, i == 2 || <-l)
				}
				s.counts(0, 0)
			})
		})
	}
}

// TestApart checks that work for several servers does not wait for other work until the most
// flights that there may be are under way. Even then it goes by itself.
func TestApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSky(t, false)
		s.Apart = true
		for i := range Most + 3 {
			s.do(context.Background(), i, 7)
		}
		s.counts(Most, 3)
		require.Len(t, s.begun, Most)
		s.land(0, nil)
		s.counts(Most, 2)
		require.Equal(t, []int{Most}, s.begun[Most])
		for i := range Most + 2 {
			s.land(i+1, nil)
		}
		s.counts(0, 0)
	})
}

// contexts make a context that ends after a second, in each way in which one may end.
var contexts = map[string]func() (context.Context, context.CancelFunc){
	"Timeout": func() (context.Context, context.CancelFunc) {
		return context.WithTimeout(context.Background(), time.Second)
	},
	"Cancel": cancelled,
	"Limiter": func() (context.Context, context.CancelFunc) {
		d := new(deadline.Ends).Within(context.Background(), time.Second)
		return d, d.End
	},
	"LimiterCancel": func() (context.Context, context.CancelFunc) {
		parent, _ := cancelled()
		d := new(deadline.Ends).Within(parent, time.Hour)
		return d, d.End
	},
}

func cancelled() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(time.Second, cancel)
	return ctx, cancel
}

// TestLeaves checks that a caller leaves when its context ends. If its work waits, it is then
// not sent; if it is in flight, the flight goes on.
func TestLeaves(t *testing.T) {
	for name, make := range contexts {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSky(t, false)
				start := time.Now()
				ctx, cancel := make()
				defer cancel()
				flies := s.do(ctx, 0, 1)
				for i := range Few - 1 {
					s.do(context.Background(), 1+i, 1)
				}
				waits, stays := s.do(ctx, 10, 1), s.do(context.Background(), 11, 1)
				require.False(t, <-flies)
				require.False(t, <-waits)
				require.Equal(t, time.Second, time.Since(start))
				synctest.Wait()
				s.counts(Few, 1)

				s.land(0, nil)
				require.Equal(t, []int{11}, s.begun[Few], "who has left does not go")
				for i := range Few {
					s.land(i+1, nil)
				}
				require.True(t, <-stays)
				s.counts(0, 0)
			})
		})
	}
}

// TestLeavesOthers checks that a caller that leaves a flight of several does not take the
// others with it.
func TestLeavesOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSky(t, false)
		for i := range Few {
			s.do(context.Background(), i, 1)
		}
		ctx, cancel := context.WithCancel(context.Background())
		leaves, stays := s.do(ctx, 10, 1), s.do(context.Background(), 11, 1)
		s.land(0, nil)
		require.Equal(t, []int{10, 11}, s.begun[Few])
		cancel()
		require.False(t, <-leaves)
		later := s.do(context.Background(), 12, 1)
		for i := range Few {
			s.land(i+1, nil)
		}
		require.True(t, <-stays)
		s.land(Few+1, nil)
		require.True(t, <-later)
		s.counts(0, 0)
	})
}

// TestLastMoment checks a flight that lands at the moment in which its context ends. The
// result is the caller's only if Do reports that the flight has landed.
func TestLastMoment(t *testing.T) {
	type work struct{ result int }
	f := &Flights[*work]{}
	f.Here = func(context.Context, int, *work) bool { return false }
	var end func()
	f.Fly = func(_ context.Context, all []*work) {
		end()
		all[0].result++
	}
	for range 2000 {
		ctx, cancel := context.WithCancel(context.Background())
		end = cancel
		w := &work{}
		if f.Do(ctx, w, 1) {
			require.Equal(t, 1, w.result)
			w.result = 0
		}
		for flying, _ := f.Counts(); flying > 0; flying, _ = f.Counts() {
			runtime.Gosched()
		}
	}
}

// TestSlow checks that if no flight has landed for a while, waiting work goes beside the
// flights under way. The while begins anew when that happens, and when a flight lands.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSky(t, false)
		s.Slow = 0
		time.Sleep(time.Hour)
		for i := range Few {
			s.do(context.Background(), i, 1)
		}
		after := func(d time.Duration) {
			time.Sleep(d)
			synctest.Wait()
		}
		s.do(context.Background(), 4, 1)
		after(slow - 1)
		s.do(context.Background(), 5, 1)
		s.counts(Few, 2)
		after(1)
		s.counts(Few+1, 0)
		require.Equal(t, []int{4, 5}, s.begun[Few])

		s.do(context.Background(), 6, 1)
		after(slow - 1)
		s.counts(Few+1, 1)
		after(1)
		s.counts(Few+2, 0)
		require.Equal(t, []int{6}, s.begun[Few+1])

		s.do(context.Background(), 7, Size) // as much as fits in a flight
		s.do(context.Background(), 8, 1)
		after(slow - 1)
		s.land(0, nil)
		s.counts(Few+2, 1)
		after(slow - 1)
		s.counts(Few+2, 1)
		after(1)
		s.counts(Few+3, 0)

		for range Most + 10 { // all of them hang
			s.do(context.Background(), 9, 1)
			after(slow)
		}
		s.counts(Most, 10+Few+3)
		for i := 1; i < len(s.landing); i++ {
			s.land(i, nil)
		}
		s.counts(0, 0)
	})
}

// TestSlowAnew checks that work waits for its own while, not for that of work before it.
func TestSlowAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSky(t, false)
		s.Slow = 0
		busy := func() {
			first := len(s.landing)
			for i := range Few {
				s.do(context.Background(), i, 1)
			}
			time.Sleep(time.Nanosecond)
			ctx, cancel := context.WithCancel(context.Background())
			left := s.do(ctx, 8, 1)
			cancel()
			require.False(t, <-left)
			time.Sleep(slow - 2)
			for i := range Few {
				s.land(first+i, nil)
			}
			s.counts(0, 0)
		}
		busy() // the timer of the caller that left is on for another 2 ns
		for i := range Few {
			s.do(context.Background(), i, 1)
		}
		s.do(context.Background(), 9, 1)
		time.Sleep(slow - 1)
		synctest.Wait()
		s.counts(Few, 1)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		s.counts(Few+1, 0)

		// Nobody is left to go when the while of one that left is over.
		ctx, cancel := context.WithCancel(context.Background())
		left := s.do(ctx, 10, 1)
		cancel()
		require.False(t, <-left)
		time.Sleep(2 * slow)
		synctest.Wait()
		s.counts(Few+1, 0)
		for i := range Few + 1 {
			s.land(Few+i, nil)
		}
	})
}

// TestDeadline checks that the deadline of a flight is the last one of its members, or none if
// a member has none.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := func(timeouts ...time.Duration) (time.Duration, bool) {
			s := newSky(t, false)
			for i := range Few {
				s.do(context.Background(), i, 1)
			}
			for _, timeout := range timeouts {
				ctx := context.Background()
				if timeout > 0 {
					d := new(deadline.Ends).Within(ctx, timeout)
					defer d.End()
					ctx = d
				}
				s.do(ctx, 0, 1)
			}
			for i := range Few + 1 {
				s.land(i, nil)
			}
			at, ok := s.ctxs[Few].Deadline()
			return time.Until(at), ok
		}
		got, ok := at(time.Second, time.Hour, time.Minute)
		require.True(t, ok)
		require.Equal(t, time.Hour, got)
		for _, some := range [][]time.Duration{{time.Second, 0}, {0, time.Second}} {
			_, ok = at(some...)
			require.False(t, ok)
		}
	})
}

// TestOwnContext checks that work that is alone in a flight is sent with its caller's context,
// whether it waited or not, so that the flight is told that the caller has left.
func TestOwnContext(t *testing.T) {
	for name, make := range contexts {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSky(t, false)
				for i := range Few - 1 {
					s.do(context.Background(), i, 1)
				}
				ctx, cancel := make()
				defer cancel()
				s.do(ctx, 10, 1)
				s.do(ctx, 11, 1)
				s.land(0, nil)
				require.Equal(t, []int{11}, s.begun[Few])
				time.Sleep(time.Second)
				cancel() // as a driver does whose caller has left
				<-s.ctxs[Few-1].Done()
				<-s.ctxs[Few].Done()
				for i := range Few {
					s.land(i+1, nil)
				}
			})
		})
	}
}

// TestTimerOfBubble checks that a timer that was on when a testing/synctest bubble ended, and
// so never fires, does not stand in for a new one.
func TestTimerOfBubble(t *testing.T) {
	s := newSky(t, false)
	s.Slow = 0
	synctest.Test(t, func(t *testing.T) {
		for i := range Few + 1 {
			s.do(context.Background(), i, 1)
		}
		s.counts(Few, 1)
		time.Sleep(slow / 2) // it is later than when the next bubble begins
		for i := range Few + 1 {
			s.land(i, nil)
		}
		s.counts(0, 0)
	})
	synctest.Test(t, func(t *testing.T) {
		s.begun, s.ctxs, s.landing = nil, nil, nil
		for i := range Few + 1 {
			s.do(context.Background(), i, 1)
		}
		s.counts(Few, 1)
		time.Sleep(slow)
		synctest.Wait()
		s.counts(Few+1, 0)
		for i := range Few + 1 {
			s.land(i, nil)
		}
	})
}

// TestBubbles checks that Flights used in a testing/synctest bubble can then be used in
// another one, or in none.
func TestBubbles(t *testing.T) {
	f := &Flights[int]{
		Here: func(context.Context, int, int) bool { return false },
		Fly:  func(context.Context, []int) {},
	}
	use := func() {
		var all sync.WaitGroup
		for range 10 * Few {
			all.Go(func() {
				if !f.Do(context.Background(), 1, 1) {
					t.Error("it has not landed")
				}
			})
		}
		all.Wait()
	}
	for range 2 {
		synctest.Test(t, func(*testing.T) { use() })
	}
	use()
}

// TestGoexit checks that a flight whose goroutine is ended has landed.
func TestGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSky(t, false)
		var landed []<-chan bool
		for i := range Few + 2 {
			landed = append(landed, s.do(context.Background(), i, 1))
		}
		for i := range Few + 1 {
			s.land(i, runtime.Goexit)
		}
		for _, l := range landed {
			require.True(t, <-l)
		}
		s.counts(0, 0)
	})
}

// TestCallerPanics checks that a flight on its caller's goroutine has landed if the caller
// panics, or ends the goroutine.
func TestCallerPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSky(t, true)
		for i, last := range []func(){func() { panic("on purpose") }, runtime.Goexit} {
			go func() {
				defer func() { _ = recover() }()
				s.Do(context.Background(), i, 1)
			}()
			synctest.Wait()
			s.counts(1, 0)
			s.land(i, last)
			s.counts(0, 0)
		}
	})
}
