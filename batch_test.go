package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/internal/linearizable"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// held is a store whose runs wait until the test lets them go.
type held struct {
	store.Store
	arrived chan struct{} // receives a value for each run
	letGo   chan struct{} // each value lets one run go; closed, it lets all go
	mu      sync.Mutex
	runs    [][]string // the keys of each run
}

func hold(s store.Store) *held {
	return &held{Store: s, arrived: make(chan struct{}, 1000), letGo: make(chan struct{})}
}

func (h *held) Run(ctx context.Context, s *store.Script, keys []string, args []int64) ([]int64, error) {
	h.mu.Lock()
	h.runs = append(h.runs, slices.Clone(keys))
	h.mu.Unlock()
	h.arrived <- struct{}{}
	<-h.letGo
	return h.Store.Run(ctx, s, keys, args)
}

// await waits until n calls wait for a run.
func await(t *testing.T, l *ratelimit.Limiter, n int) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ratelimit.Waiting(l) != n; time.Sleep(10 * time.Microsecond) {
		require.True(t, time.Now().Before(end), "%d calls wait, not %d", ratelimit.Waiting(l), n)
	}
}

// occupy has calls for new identities take up all the runs that may be in flight, and returns
// how many of the calls are left waiting.
func occupy(t *testing.T, h *held, l *ratelimit.Limiter, wait *sync.WaitGroup, calls int) (waiting int) {
	for range calls {
		wait.Go(func() { allow(t, l, fmt.Sprint("first", rand.Int()), 1) })
	}
	for range 4 {
		<-h.arrived
	}
	// Two calls went alone. Then, twice, as many went together as were in flight: two, then four.
	waiting = calls - (1 + 1 + 2 + 4)
	await(t, l, waiting)
	return waiting
}

// TestFirstComeFirstServed checks that the calls of one key are decided in the order in which
// they came, whatever their units, and as if each had been sent alone.
func TestFirstComeFirstServed(t *testing.T) {
	const calls = 1000 // more than go in one run
	limit := tokenbucket.Limit{Rate: 2000, Period: time.Hour, Burst: 700}
	plan, err := limit.Compile()
	require.NoError(t, err)
	redis := start(t)
	h := hold(redis)
	l := newLimiter(t, h, limit, ratelimit.WithTimeout(time.Minute))
	var wait sync.WaitGroup
	results := make([]ratelimit.Result, calls)
	costs := make([]int64, calls)
	for i := range calls {
		costs[i] = rand.Int64N(4) // 0 is a Peek
		if i%100 == 99 {
			costs[i] = 701 // more than the limit can ever give
		}
		wait.Go(func() { results[i] = allow(t, l, "x", costs[i]) })
		if i == 0 {
			<-h.arrived
		} else {
			await(t, l, i)
		}
	}
	close(h.letGo)
	wait.Wait()
	state, now := "", redis.Now().UnixMicro()
	for i, got := range results {
		var want algorithm.Outcome
		state, want = plan.Step(state, now, costs[i])
		require.Equal(t, want.Result(plan.Limit, now), got, "call %d of %d units", i, costs[i])
	}
	require.Len(t, h.runs, 1+3, "the first, and the others by what they cost")
}

// TestTogether checks that calls that come while runs are in flight go together in few runs,
// that no run has too many keys, and that each identity gets what its limit allows.
func TestTogether(t *testing.T) {
	h := hold(start(t))
	l := newLimiter(t, h, tokenbucket.Limit{Rate: 10, Period: time.Hour}, ratelimit.WithTimeout(time.Minute))
	var wait sync.WaitGroup
	waiting := occupy(t, h, l, &wait, 256)
	h.mu.Lock()
	h.runs = nil
	h.mu.Unlock()
	const identities, each = 600, 3
	var allowed atomic.Int64
	for i := range identities * each {
		wait.Go(func() {
			if allow(t, l, fmt.Sprint(i%identities), 5).Allowed {
				allowed.Add(1)
			}
		})
	}
	await(t, l, waiting+identities*each)
	close(h.letGo)
	wait.Wait()
	require.EqualValues(t, identities*2, allowed.Load())
	keys := map[string]int{}
	for _, run := range h.runs {
		require.LessOrEqual(t, len(run), ratelimit.MaxKeys)
		for _, key := range run {
			keys[key]++
		}
	}
	require.Less(t, len(h.runs), 40)
	require.Len(t, keys, waiting+identities)
}

// TestHoldTogether checks that callers that share a key, and call again as soon as they have
// their answers, share runs. Without holds there would be twice as many runs: of one call and
// of seven, in turn.
func TestHoldTogether(t *testing.T) {
	const callers, each = 8, 100
	synctest.Test(t, func(t *testing.T) {
		h := hold(denying{})
		close(h.letGo)
		l := newLimiter(t, h, tokenbucket.Limit{Rate: 10, Period: time.Hour}, ratelimit.WithTimeout(time.Minute))
		var wait sync.WaitGroup
		for range callers {
			wait.Go(func() {
				for range each {
					allow(t, l, "x", 1)
				}
			})
		}
		wait.Wait()
		require.Less(t, len(h.runs), callers*each/5)
	})
}

// TestHoldLeft checks that waiting calls go at once, rather than with the next tick, if the
// caller that was to end the hold has left.
func TestHoldLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hold(denying{})
		l := newLimiter(t, h, tokenbucket.Limit{Rate: 10, Period: time.Hour}, ratelimit.WithTimeout(time.Minute))
		var wait sync.WaitGroup
		ask := func(ctx context.Context, want error) {
			wait.Go(func() {
				_, err := l.Allow(ctx, "x")
				require.ErrorIs(t, err, want)
			})
			synctest.Wait()
		}
		ask(context.Background(), nil)
		ctx, cancel := context.WithCancel(context.Background())
		ask(ctx, context.Canceled) // waits for the first run
		<-h.arrived
		h.letGo <- struct{}{}
		<-h.arrived
		ask(context.Background(), nil) // waits for the run whose caller leaves
		cancel()
		synctest.Wait()
		begin := time.Now()
		h.letGo <- struct{}{}
		<-h.arrived
		require.Less(t, time.Since(begin), time.Millisecond, "but for the run")
		h.letGo <- struct{}{}
		wait.Wait()
	})
}

// TestAlone checks that without batching each call is a run of its own.
func TestAlone(t *testing.T) {
	h := hold(start(t))
	l := newLimiter(t, h, tokenbucket.Limit{Rate: 10, Period: time.Hour}, ratelimit.WithoutBatching())
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() { allow(t, l, "x", 1) })
	}
	for range 20 {
		<-h.arrived
	}
	close(h.letGo)
	wait.Wait()
	require.Len(t, h.runs, 20)
}

// hung is a store whose runs end only with their context.
type hung struct{}

func (hung) Prompt() bool { return true }

func (hung) Run(ctx context.Context, _ *store.Script, _ []string, _ []int64) ([]int64, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestEveryCallHasItsTime checks that each caller of a hung Redis leaves in time, by the
// limiter's timeout, its own deadline or its own cancellation, and disturbs nobody else.
func TestEveryCallHasItsTime(t *testing.T) {
	for _, timeout := range []time.Duration{100 * time.Millisecond, 5 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			var seen events
			l, err := ratelimit.New(hung{}, tokenbucket.Limit{Rate: 1, Period: time.Second},
				ratelimit.WithTimeout(timeout), ratelimit.WithObserver(&seen), ratelimit.WithoutBreaker())
			require.NoError(t, err)
			var wait sync.WaitGroup
			for i := range 3000 {
				time.Sleep(timeout / 1000)
				wait.Go(func() {
					begin := time.Now()
					ctx, want := context.Background(), timeout
					var end error
					switch i % 7 {
					case 3:
						want, end = timeout/3, context.DeadlineExceeded
						c, cancel := context.WithTimeout(ctx, want)
						defer cancel()
						ctx = c
					case 5:
						want, end = timeout/5, context.Canceled
						c, cancel := context.WithCancel(ctx)
						defer time.AfterFunc(want, cancel).Stop()
						ctx = c
					}
					r, err := l.Allow(ctx, fmt.Sprint(i%50))
					took := time.Since(begin)
					if !errors.Is(err, end) || (err == nil) != r.Degraded {
						t.Errorf("error %v, result %+v", err, r)
					}
					if took < want || took > want+min(2*timeout/16, 40*time.Millisecond) {
						t.Errorf("took %v, not %v", took, want)
					}
				})
			}
			wait.Wait()
			classes := map[ratelimit.ErrorClass]int{}
			for _, e := range seen.take() {
				classes[e.Class]++
			}
			require.Equal(t, 3000, classes[ratelimit.ClassTimeout]+classes[ratelimit.ClassOverloaded]+classes[ratelimit.ClassCanceled], "%v", classes)
			require.Positive(t, classes[ratelimit.ClassTimeout])
			require.Positive(t, classes[ratelimit.ClassCanceled])
			time.Sleep(2 * timeout) // until what is in flight has ended too
			require.Zero(t, ratelimit.Waiting(l))
		})
	}
}

// TestEndlessTimeout checks that the longest timeout there is, which stands for none, works.
func TestEndlessTimeout(t *testing.T) {
	for _, options := range [][]ratelimit.Option{nil, {ratelimit.WithoutBatching()}} {
		l := newLimiter(t, start(t), tokenbucket.Limit{Rate: 1000, Period: time.Hour}, append(options, ratelimit.WithTimeout(math.MaxInt64))...)
		require.False(t, allow(t, l, "x", 1).Degraded)
		var wait sync.WaitGroup
		for range 64 {
			wait.Go(func() {
				for range 20 {
					if allow(t, l, "x", 1).Degraded {
						t.Error("degraded")
					}
				}
			})
		}
		wait.Wait()
	}
}

// TestCallersLeave checks that callers who give up change nothing for the others, and that no
// unit is lost or given twice.
func TestCallersLeave(t *testing.T) {
	const callers, calls, budget = 256, 20, 2000
	onRedis(t, func(t *testing.T, s site) {
		l := newLimiter(t, s.open(t), tokenbucket.Limit{Rate: budget, Period: month})
		var allowed, gone atomic.Int64
		var wait sync.WaitGroup
		for i := range callers {
			wait.Go(func() {
				for range calls {
					ctx, cancel := context.WithCancel(context.Background())
					leaves := i%4 == 0
					if leaves {
						time.AfterFunc(time.Duration(rand.IntN(3000))*time.Microsecond, cancel)
					}
					r, err := l.Allow(ctx, "x")
					cancel()
					switch {
					case err != nil && leaves:
						gone.Add(1) // it may have taken a unit
					case err != nil || r.Degraded:
						t.Errorf("a caller who stays: error %v, result %+v", err, r)
					case r.Allowed:
						allowed.Add(1)
					}
				}
			})
		}
		wait.Wait()
		t.Logf("%d of %d calls were given up", gone.Load(), callers*calls)
		require.LessOrEqual(t, allowed.Load(), int64(budget))
		require.GreaterOrEqual(t, allowed.Load()+gone.Load(), int64(budget))
		require.False(t, allow(t, l, "x", 1).Allowed)
	})
}

// TestOneBadStateFailsAlone checks that if an algorithm fails on the state of one key, only
// the callers of that key are affected.
func TestOneBadStateFailsAlone(t *testing.T) {
	r := start(t)
	h := hold(r)
	l := newLimiter(t, h, fragile{tokenbucket.Limit{Rate: 10, Period: time.Hour}}, ratelimit.WithTimeout(time.Minute))
	_, err := r.Run(context.Background(), store.NewScript("set", "redis.call('SET', KEYS[1], 'bad') return {1}"), []string{ratelimit.KeyOf(l, "7")}, nil)
	require.NoError(t, err)
	var wait sync.WaitGroup
	waiting := occupy(t, h, l, &wait, 40)
	for i := range 300 {
		wait.Go(func() {
			r, err := l.Allow(context.Background(), fmt.Sprint(i%30))
			if err != nil || r.Degraded != (i%30 == 7) {
				t.Errorf("%d: error %v, result %+v", i%30, err, r)
			}
		})
	}
	await(t, l, waiting+300)
	close(h.letGo)
	wait.Wait()
}

// fragile is a token bucket whose Lua fails on one state.
type fragile struct{ tokenbucket.Limit }

func (f fragile) Compile() (*algorithm.Plan, error) {
	plan, err := f.Limit.Compile()
	plan.Lua += "\nlocal whole = read\nread = function(text) if text == 'bad' then error('bad') end return whole(text) end\n"
	return plan, err
}

// plain hides the optional abilities of a store.
type plain struct{ store.Store }

// TestCrossSlot checks that a limiter whose store does not say that its Redis is a Cluster
// learns it from the first refusal, and that no decision is lost by that.
func TestCrossSlot(t *testing.T) {
	onRedis(t, func(t *testing.T, s site) {
		l := newLimiter(t, plain{s.open(t)}, tokenbucket.Limit{Rate: 10, Period: month})
		var allowed atomic.Int64
		var wait sync.WaitGroup
		for range 200 {
			wait.Go(func() {
				for i := range 15 {
					if allow(t, l, fmt.Sprint(i), 1).Allowed {
						allowed.Add(1)
					}
				}
			})
		}
		wait.Wait()
		require.EqualValues(t, 15*10, allowed.Load())
	})
}

// TestCrossSlotUnderWay checks the same of calls that came before the first refusal, or at the
// moment of it: no decision is lost.
func TestCrossSlotUnderWay(t *testing.T) {
	onRedis(t, func(t *testing.T, s site) {
		h := hold(s.open(t))
		l := newLimiter(t, h, tokenbucket.Limit{Rate: 10, Period: month})
		var wait sync.WaitGroup
		for i := range 600 {
			if i == 300 { // the first is refused while the rest come
				<-h.arrived
				close(h.letGo)
			}
			wait.Go(func() {
				if !allow(t, l, fmt.Sprint(i), 1).Allowed {
					t.Error("denied")
				}
			})
		}
		wait.Wait()
	})
}

// exiting is a store that ends the goroutine of its second run.
type exiting struct {
	held
	runs atomic.Int32
	exit chan struct{} // closed to end the goroutine
}

func (*exiting) Prompt() bool { return true }

func (e *exiting) Run(ctx context.Context, s *store.Script, keys []string, args []int64) ([]int64, error) {
	if e.runs.Add(1) == 2 {
		e.arrived <- struct{}{}
		<-e.exit
		runtime.Goexit()
	}
	return e.held.Run(ctx, s, keys, args)
}

// TestStoreExits checks that a run whose store ends the goroutine, as a test's FailNow does,
// counts as failed, and harms no other.
func TestStoreExits(t *testing.T) {
	e := &exiting{held: *hold(start(t)), exit: make(chan struct{})}
	l := newLimiter(t, e, tokenbucket.Limit{Rate: 10, Period: time.Hour}, ratelimit.WithTimeout(time.Minute))
	var wait sync.WaitGroup
	var degraded atomic.Int32
	come := func() {
		wait.Go(func() {
			r, err := l.Allow(context.Background(), "x")
			if err != nil {
				t.Error(err)
			}
			if r.Degraded {
				degraded.Add(1)
			}
		})
	}
	come()
	<-e.arrived
	for range 4 {
		come()
	}
	await(t, l, 4)
	close(e.letGo)
	<-e.arrived
	for range 3 {
		come()
	}
	await(t, l, 3)
	close(e.exit)
	wait.Wait()
	require.EqualValues(t, 4, degraded.Load(), "those of the second run")
	require.False(t, allow(t, l, "x", 6).Degraded)
}

// TestLinearizable checks that 512 callers of two limiters on one Redis are told what they
// would be told one after the other, with batching and without.
func TestLinearizable(t *testing.T) {
	onRedis(t, func(t *testing.T, s site) {
		for name, options := range map[string][]ratelimit.Option{"Batching": nil, "Alone": {ratelimit.WithoutBatching()}} {
			for kind, limit := range kinds {
				t.Run(name+"/"+kind, func(t *testing.T) {
					a := limit(50, 300*time.Millisecond)
					plan, err := a.Compile()
					require.NoError(t, err)
					tries := 1
					if strings.HasPrefix(s.nodes[0].Info("server")["valkey_version"], "9.") {
						tries = 3 // its clock may be set back: see docs/servers.md
					}
					for try := 1; try <= tries; try++ {
						options := append([]ratelimit.Option{ratelimit.WithNamespace(fmt.Sprint(name, try))}, options...)
						limiters := []*ratelimit.Limiter{newLimiter(t, s.open(t), a, options...), newLimiter(t, s.open(t), a, options...)}
						if err = linearizable.Check(plan, ask(t, limiters)); err == nil {
							break
						}
						t.Logf("try %d of %d: %v", try, tries, err)
					}
					require.NoError(t, err)
				})
			}
		}
	})
}

// ask has 512 callers ask two limiters, and returns what they were told.
func ask(t *testing.T, limiters []*ratelimit.Limiter) []linearizable.Call {
	const callers, calls = 512, 12
	histories := make([][]linearizable.Call, callers)
	var wait sync.WaitGroup
	for c := range callers {
		wait.Go(func() {
			for i := range calls {
				call := linearizable.Call{Caller: c, Key: fmt.Sprint("key", (c+i)%20), N: []int64{1, 1, 0, 2, 1, 3, 51}[(c+3*i)%7]}
				call.Begin = time.Now()
				r, err := limiters[c%2].AllowN(context.Background(), call.Key, call.N)
				call.End = time.Now()
				if err != nil || r.Degraded {
					t.Errorf("error %v, result %+v", err, r)
					return
				}
				call.Now = r.Now.UnixMicro()
				call.Out = algorithm.Outcome{RetryAfter: r.RetryAfter.Microseconds(), Remaining: r.Remaining, ResetAfter: r.ResetAfter.Microseconds()}
				if r.RetryAfter == algorithm.Never {
					call.Out.RetryAfter = algorithm.NeverRetry
				}
				histories[c] = append(histories[c], call)
			}
		})
	}
	wait.Wait()
	return slices.Concat(histories...)
}
