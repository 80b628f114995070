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

// sky is flights that are under way until they are told to land.
type sky struct {
	Flights[int]
	t *testing.T

	mu      sync.Mutex
	begun   [][]int // what each had, in the order in which they began
	ctxs    []context.Context
	landing []chan func()
}

// newSky returns one whose callers fly by themselves if here is true.
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

// do begins to do work, and returns what comes of it.
func (s *sky) do(ctx context.Context, work, words int) <-chan bool {
	landed := make(chan bool, 1)
	go func() { landed <- s.Do(ctx, work, words) }()
	synctest.Wait()
	return landed
}

// land has the flight land that began as the nth, once it has called last.
func (s *sky) land(n int, last func()) {
	s.landing[n] <- last
	synctest.Wait()
}

// counts requires so many flights, and callers who wait.
func (s *sky) counts(flying, waiting int) {
	s.t.Helper()
	f, w := s.Counts()
	require.Equal(s.t, []int{flying, waiting}, []int{f, w})
}

// The first ones go by themselves, also from another goroutine; others wait, and go
// together in the order in which they came, as many as may.
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

// The work of several servers does not wait for others', but where there is most of it.
// It goes by itself even then.
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

// contexts make a context that ends after a second, in each way in which it may.
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

// Who waits leaves with the context, and does not go then; who is in flight leaves too,
// and the flight goes on.
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

// Who leaves a flight of several leaves the others in it.
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

// A flight that lands in the moment in which a context ends has landed or not: what came
// of it is the caller's just if it has.
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

// Where none has landed for a while, those that wait go beside those in flight. This puts
// off the next time, and so does one that lands.
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

		s.do(context.Background(), 7, Size) // which is as much as goes at once
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

// A flight has time until the last deadline of its members, or for ever.
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

// Who is alone in a flight has it under the own context, whether it waited or not; and it
// is told that its caller has left.
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

// A timer that was on when a bubble ended never fires, and is in nobody's way.
func TestTimerOfBubble(t *testing.T) {
	s := newSky(t, false)
	s.Slow = 0
	synctest.Test(t, func(t *testing.T) {
		for i := range Few + 1 {
			s.do(context.Background(), i, 1)
		}
		s.counts(Few, 1)
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

// What was used in a testing/synctest bubble can be used in another one, or in none,
// after that.
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

// A flight whose goroutine is ended has landed.
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

// So has one whose caller panics, or ends its goroutine.
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
