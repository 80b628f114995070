package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// pairs is a Store that answers joint decisions of two token buckets: each is allowed, and as
// many units remain as were asked for. Each run takes a second.
type pairs struct {
	mu     sync.Mutex
	runs   []int // how many decisions each was for
	keys   []int // and how many keys
	answer func(decisions [][2]int64) ([]int64, error)
}

func (p *pairs) Prompt() bool { return true }

func (p *pairs) Run(ctx context.Context, _ *store.Script, keys []string, args []int64) ([]int64, error) {
	var decisions [][2]int64
	for i := 8; i < len(args); i += 4 { // after the parameters
		decisions = append(decisions, [2]int64{args[i], args[i+2]})
	}
	p.mu.Lock()
	p.runs, p.keys = append(p.runs, len(decisions)), append(p.keys, len(keys))
	p.mu.Unlock()
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if p.answer != nil {
		if reply, err := p.answer(decisions); reply != nil || err != nil {
			return reply, err
		}
	}
	reply := []int64{1}
	for _, n := range decisions {
		reply = append(reply, 0, n[0], 1, 0, n[1], 1)
	}
	return reply, nil
}

func (p *pairs) join(t *testing.T, options ...ratelimit.Option) *ratelimit.Joint {
	limit := tokenbucket.Limit{Rate: 1000, Period: time.Second}
	options = append([]ratelimit.Option{ratelimit.WithTimeout(time.Minute), ratelimit.WithoutBreaker()}, options...)
	one, err := ratelimit.New(p, limit, append(options, ratelimit.WithNamespace("one"))...)
	require.NoError(t, err)
	all, err := ratelimit.New(p, limit, append(options, ratelimit.WithNamespace("all"))...)
	require.NoError(t, err)
	j, err := ratelimit.Join(one, all)
	require.NoError(t, err)
	return j
}

// call makes the joint call of caller i. Under the second limit all callers are one identity.
func call(ctx context.Context, j *ratelimit.Joint, i int) (ratelimit.JointResult, error) {
	return j.AllowN(ctx, ratelimit.Part{Identity: fmt.Sprint(i), N: int64(i)}, ratelimit.Part{Identity: "all", N: int64(i) + 100})
}

// requireOwn requires that the answer is that of caller i.
func requireOwn(t *testing.T, i int, r ratelimit.JointResult) {
	require.True(t, r.Allowed && !r.Degraded, "%+v", r)
	require.EqualValues(t, i, r.Results[0].Remaining)
	require.EqualValues(t, i+100, r.Results[1].Remaining)
}

// callAll has that many callers call, counted from 1, with a pause after each, and requires
// that each gets its own answer.
func callAll(t *testing.T, j *ratelimit.Joint, callers int, pause func()) {
	var group sync.WaitGroup
	for i := 1; i <= callers; i++ {
		group.Go(func() {
			r, err := call(t.Context(), j, i)
			require.NoError(t, err)
			requireOwn(t, i, r)
		})
		pause()
	}
	group.Wait()
}

// TestJointTogether checks that calls that come while two runs are in flight go together in
// the next one, with each key once, and that each gets its own answer.
func TestJointTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pairs
		callAll(t, p.join(t), 12, synctest.Wait)
		require.Equal(t, []int{1, 1, 10}, p.runs)
		require.Equal(t, []int{2, 2, 11}, p.keys)
	})
}

// TestJointMany checks that the size of a run is bounded, and that more runs go at once if
// there are enough calls.
func TestJointMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pairs
		begin := time.Now()
		callAll(t, p.join(t), 300, func() {})
		most, sum := 0, 0
		for _, n := range p.runs {
			most, sum = max(most, n), sum+n
		}
		require.Equal(t, 300, sum)
		require.Greater(t, most, 10)
		require.LessOrEqual(t, most, 50)
		require.LessOrEqual(t, time.Since(begin), 4*time.Second, "four runs at a time")
	})
}

func TestJointWithoutBatching(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pairs
		callAll(t, p.join(t, ratelimit.WithoutBatching()), 12, func() {})
		require.Len(t, p.runs, 12)
	})
}

// TestJointLeaves checks that a caller that leaves, while its call is in the queue or in a
// run, does not disturb the others. A call whose caller has left the queue is not sent.
func TestJointLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pairs
		var classes []ratelimit.ErrorClass
		var mu sync.Mutex
		j := p.join(t, ratelimit.WithObserver(observerFunc(func(e ratelimit.Event) {
			mu.Lock()
			defer mu.Unlock()
			if e.Class != "" {
				classes = append(classes, e.Class)
			}
		})))
		var group sync.WaitGroup
		for i := range 9 {
			ctx, cancel := t.Context(), context.CancelFunc(func() {})
			switch i {
			case 4: // in the queue
				ctx, cancel = context.WithTimeout(ctx, 10*time.Millisecond)
			case 5: // in the run
				ctx, cancel = context.WithTimeout(ctx, 500*time.Millisecond)
			}
			group.Go(func() {
				defer cancel()
				begin := time.Now()
				r, err := call(ctx, j, i+1)
				if i == 4 || i == 5 {
					require.ErrorIs(t, err, context.DeadlineExceeded)
					deadline, _ := ctx.Deadline()
					require.LessOrEqual(t, time.Since(deadline), 2*time.Millisecond)
					return
				}
				require.NoError(t, err)
				requireOwn(t, i+1, r)
				require.LessOrEqual(t, time.Since(begin), 2*time.Second)
			})
			synctest.Wait()
		}
		group.Wait()
		require.Equal(t, []int{1, 1, 6}, p.runs)
		require.Len(t, classes, 4)
		for _, class := range classes {
			require.Equal(t, ratelimit.ClassCanceled, class)
		}
	})
}

// TestJointHung checks that callers leave by the limiter's timeout if no run ends.
func TestJointHung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pairs
		classes := map[ratelimit.ErrorClass]int{}
		var mu sync.Mutex
		j := p.join(t, ratelimit.WithTimeout(300*time.Millisecond), ratelimit.WithObserver(observerFunc(func(e ratelimit.Event) {
			mu.Lock()
			defer mu.Unlock()
			classes[e.Class]++
		})))
		var group sync.WaitGroup
		begin := time.Now()
		for i := range 200 {
			group.Go(func() {
				r, err := call(t.Context(), j, i+1)
				require.NoError(t, err)
				require.True(t, r.Allowed && r.Degraded)
				require.LessOrEqual(t, time.Since(begin), 302*time.Millisecond)
			})
		}
		group.Wait()
		time.Sleep(time.Second) // until the runs that began last have ended
		p.mu.Lock()
		defer p.mu.Unlock()
		sent := 0
		for _, n := range p.runs {
			sent += n
		}
		require.Equal(t, 2*sent, classes[ratelimit.ClassTimeout])
		require.Equal(t, 2*(200-sent), classes[ratelimit.ClassOverloaded])
	})
}

// moving answers as a Cluster does while the slot of the keys moves: it refuses runs of
// several decisions.
func moving(decisions [][2]int64) ([]int64, error) {
	if len(decisions) > 1 {
		return nil, tryAgain
	}
	return nil, nil
}

var (
	tryAgain  = &store.ServerError{Message: "TRYAGAIN Multiple keys request during rehashing of slot"}
	crossSlot = &store.ServerError{Message: "CROSSSLOT Keys in request don't hash to the same slot"}
)

// TestJointFailures checks that what fails one decision fails no other, and that what fails a
// run fails only the decisions in it.
func TestJointFailures(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(decisions [][2]int64) ([]int64, error)
		fails  func(i int) bool
		runs   []int
	}{
		"State": {
			func(decisions [][2]int64) ([]int64, error) {
				reply := []int64{1}
				for _, n := range decisions {
					retry := int64(0)
					if n[0] == 5 {
						retry = -2
					}
					reply = append(reply, 0, n[0], 1, retry, n[1], 1)
				}
				return reply, nil
			},
			func(i int) bool { return i == 5 }, []int{1, 1, 7},
		},
		"Run": {
			func(decisions [][2]int64) ([]int64, error) {
				if len(decisions) > 1 {
					return nil, fmt.Errorf("lost")
				}
				return nil, nil
			},
			func(i int) bool { return i > 2 }, []int{1, 1, 7},
		},
		"Reply": {
			func(decisions [][2]int64) ([]int64, error) {
				if len(decisions) > 1 {
					return []int64{1, 0, 0, 0}, nil
				}
				return nil, nil
			},
			func(i int) bool { return i > 2 }, []int{1, 1, 7},
		},
		"Panic": {
			func(decisions [][2]int64) ([]int64, error) {
				if len(decisions) > 1 {
					panic("oh")
				}
				return nil, nil
			},
			func(i int) bool { return i > 2 }, []int{1, 1, 7},
		},
		"Goexit": {
			func(decisions [][2]int64) ([]int64, error) {
				if len(decisions) > 1 {
					runtime.Goexit()
				}
				return nil, nil
			},
			func(i int) bool { return i > 2 }, []int{1, 1, 7},
		},
		"LongReply": {
			func(decisions [][2]int64) ([]int64, error) {
				if len(decisions) > 1 {
					return slices.Repeat([]int64{1}, 1+6*len(decisions)+1), nil
				}
				return nil, nil
			},
			func(i int) bool { return i > 2 }, []int{1, 1, 7},
		},
		"Slot": {
			moving,
			func(int) bool { return false }, []int{1, 1, 7, 1, 1, 1, 1, 1, 1, 1},
		},
		"SlotNeverMoves": {
			func([][2]int64) ([]int64, error) { return nil, tryAgain },
			func(int) bool { return true }, []int{1, 1, 7, 1, 1, 1, 1, 1, 1, 1},
		},
		"Slots": {
			func(decisions [][2]int64) ([]int64, error) {
				if len(decisions) > 1 {
					return nil, crossSlot
				}
				return nil, nil
			},
			func(int) bool { return false }, []int{1, 1, 7, 1, 1, 1, 1, 1, 1, 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pairs{answer: c.answer}
				j := p.join(t)
				var group sync.WaitGroup
				for i := 1; i <= 9; i++ {
					group.Go(func() {
						r, err := call(t.Context(), j, i)
						require.NoError(t, err)
						require.Equal(t, c.fails(i), r.Degraded)
						if !r.Degraded {
							requireOwn(t, i, r)
						}
					})
					synctest.Wait()
				}
				group.Wait()
				require.Equal(t, c.runs, p.runs)
				p.answer = nil
				r, err := call(t.Context(), j, 1)
				require.NoError(t, err)
				requireOwn(t, 1, r)
			})
		})
	}
}

// TestJointCrossSlot checks that observers are told what to do about limiters whose keys are in
// several slots of a Cluster, if that was not known when they were joined.
func TestJointCrossSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pairs{answer: func([][2]int64) ([]int64, error) { return nil, crossSlot }}
		var told []error
		j := p.join(t, ratelimit.WithObserver(observerFunc(func(e ratelimit.Event) { told = append(told, e.Err) })))
		r, err := call(t.Context(), j, 1)
		require.NoError(t, err)
		require.True(t, r.Degraded)
		require.Len(t, told, 2)
		require.ErrorIs(t, told[0], error(crossSlot))
		require.ErrorContains(t, told[0], `namespaces with one hash tag, such as "{api}second" and "{api}day"`)
	})
}

// TestJointExits checks that calls that wait while the store ends the goroutine of a run go in
// the next one.
func TestJointExits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pairs{answer: func(decisions [][2]int64) ([]int64, error) {
			switch len(decisions) {
			case 7:
				runtime.Goexit()
			case 1:
				time.Sleep(9 * time.Second)
			}
			return nil, nil
		}}
		j := p.join(t)
		var group sync.WaitGroup
		for i := 1; i <= 110; i++ {
			switch i {
			case 10: // the fourth run, since the others are slow
				time.Sleep(500 * time.Millisecond)
			case 11: // all wait, until the run of seven has ended
				time.Sleep(100 * time.Millisecond)
			}
			group.Go(func() {
				r, err := call(t.Context(), j, i)
				require.NoError(t, err)
				require.Equal(t, 3 <= i && i <= 9, r.Degraded)
			})
			synctest.Wait()
		}
		group.Wait()
		require.Equal(t, []int{1, 1, 7, 1}, p.runs[:4])
		require.Greater(t, p.runs[4], 10)
	})
}

// noting is pairs that notes the first key of each run, and of each probe.
type noting struct {
	pairs
	asked, probed []string
}

func (n *noting) Run(ctx context.Context, s *store.Script, keys []string, args []int64) ([]int64, error) {
	n.mu.Lock()
	if len(args) <= 8 { // of one limiter
		n.probed = append(n.probed, keys[0])
	} else {
		n.asked = append(n.asked, keys[0])
	}
	n.mu.Unlock()
	return n.pairs.Run(ctx, s, keys, args)
}

// TestJointBreaker checks that joint calls that wait when the breaker opens are not sent, and
// that the breaker asks Redis for the identity of such a call.
func TestJointBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &noting{pairs: pairs{answer: func([][2]int64) ([]int64, error) { return nil, errors.New("broken pipe") }}}
		var w witness
		one := w.limiter(t, s, ratelimit.WithTimeout(time.Minute), ratelimit.WithNamespace("one"))
		all := w.limiter(t, s, ratelimit.WithTimeout(time.Minute), ratelimit.WithNamespace("all"))
		j, err := ratelimit.Join(one, all)
		require.NoError(t, err)
		var group sync.WaitGroup
		for i := 1; i <= 14; i++ {
			switch i {
			case 4: // the fourth run, since the others are slow
				time.Sleep(500 * time.Millisecond)
			case 5: // after the first two runs, while the third is in flight
				time.Sleep(530 * time.Millisecond)
			}
			group.Go(func() {
				r, err := j.Allow(context.Background(), "x")
				require.NoError(t, err)
				require.True(t, r.Degraded)
			})
			synctest.Wait()
		}
		group.Wait()
		classes := map[ratelimit.ErrorClass]int{}
		for _, e := range w.take() {
			classes[e.Class]++
		}
		require.Equal(t, 2*10, classes[ratelimit.ClassBreaker], "%v", classes)
		time.Sleep(time.Minute) // until nothing probes
		s.mu.Lock()
		defer s.mu.Unlock()
		require.Len(t, s.asked, 4)
		require.NotEmpty(t, s.probed)
		for _, key := range s.probed {
			require.Equal(t, s.asked[0], key)
		}
	})
}

// TestJointMoves checks that while the slot of the keys moves, each call is answered as soon
// as it is decided. If the time is too short for all calls, those that were decided have not
// taken their units in vain.
func TestJointMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pairs{answer: moving}
		j, begin := p.join(t, ratelimit.WithTimeout(4500*time.Millisecond)), time.Now()
		var group sync.WaitGroup
		for i := 1; i <= 9; i++ {
			group.Go(func() {
				r, err := call(t.Context(), j, i)
				require.NoError(t, err)
				switch {
				case i <= 2: // which went alone
					require.Equal(t, time.Second, time.Since(begin))
				case i <= 5: // one after the other, after two ticks and the run that was refused
					require.Equal(t, time.Duration(i-1)*time.Second+40*time.Millisecond, time.Since(begin))
				default:
					require.True(t, r.Degraded)
					return
				}
				requireOwn(t, i, r)
			})
			synctest.Wait()
		}
		group.Wait()
		time.Sleep(2 * time.Second) // until the run has ended
	})
}

// TestJointSlow checks that if a run takes more than half of the timeout, calls do not wait
// until one has ended: they would be late.
func TestJointSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pairs
		callAll(t, p.join(t, ratelimit.WithTimeout(1700*time.Millisecond)), 40, func() { time.Sleep(100 * time.Millisecond) })
		require.Less(t, len(p.runs), 25, "they are batched")
	})
}
