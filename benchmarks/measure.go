package main

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// load is what one measurement puts on a subject.
type load struct {
	goroutines int
	pipeline   int64 // decisions in one call
	keys       spread
	identities []string
	seed       uint64
	time       time.Duration
}

// tally is the sum of what a load did and used.
type tally struct {
	latency   histogram // of calls; each counts once for each of its decisions
	decisions int64     // answered or failed
	allowed   int64
	failed    int64
	err       error // a failure's, or nil
	elapsed   time.Duration
	client    processUsage
	redis     redisUsage
}

// processUsage is what this process has used.
type processUsage struct {
	cpu     time.Duration
	mallocs uint64
}

// measure puts load on a subject. It asks a, which may be nil, for Redis's usage. It ends
// early if ctx does.
func measure(ctx context.Context, a *admin, s *subject, l load) (*tally, error) {
	workers := make([]worker, l.goroutines)
	var ready, done sync.WaitGroup
	var stop atomic.Bool
	start := make(chan struct{})
	for i := range workers {
		w := &workers[i]
		w.call, w.next = s.caller(), l.keys.draw(l.identities, l.seed, uint64(i))
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			w.work(&stop, l.pipeline)
		})
	}
	ready.Wait()
	runtime.GC() // so that the subject does not pay for the garbage of others

	// Whatever happens, the workers must be released.
	var err error
	var before redisUsage
	if a != nil {
		before, err = a.usage(ctx)
	}
	own := ownUsage()
	begin := time.Now()
	if err != nil {
		stop.Store(true)
	}
	close(start)
	if err == nil {
		select {
		case <-time.After(l.time):
		case <-ctx.Done():
		}
		stop.Store(true)
	}
	done.Wait()
	t := &tally{elapsed: time.Since(begin), client: ownUsage().since(own)}
	if err == nil && a != nil {
		var after redisUsage
		after, err = a.usage(ctx)
		t.redis = after.since(before)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("measure: %w", err)
	}
	for i := range workers {
		workers[i].addTo(t)
	}
	return t, nil
}

// worker is the part of one goroutine.
type worker struct {
	call                       call
	next                       func() string
	latency                    recorder
	decisions, allowed, failed int64
	err                        error
	_                          [64]byte // keeps the counters of neighbours on different cache lines
}

// work calls until told to stop. It reads the time once for each call: that ends one
// latency and begins the next. The context cannot end, like that of a caller that leaves
// deadlines to the limiter. If it could, all goroutines that derive contexts from it would
// contend for its lock.
func (w *worker) work(stop *atomic.Bool, pipeline int64) {
	ctx := context.Background()
	begin, last := time.Now(), time.Duration(0)
	for !stop.Load() {
		a := w.call(ctx, w.next)
		now := time.Since(begin) // reads one clock, where Now reads two
		w.latency.record(now-last, pipeline)
		last = now
		w.decisions += pipeline
		w.allowed += a.allowed
		w.failed += a.failed
		if a.err != nil {
			w.err = a.err
		}
	}
}

func (w *worker) addTo(t *tally) {
	t.latency.add(&w.latency)
	t.decisions += w.decisions
	t.allowed += w.allowed
	t.failed += w.failed
	if t.err == nil {
		t.err = w.err
	}
}

func ownUsage() processUsage {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return processUsage{ownCPU(), m.Mallocs}
}

func (u processUsage) since(earlier processUsage) processUsage {
	return processUsage{u.cpu - earlier.cpu, u.mallocs - earlier.mallocs}
}
