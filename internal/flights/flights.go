// Package flights gathers commands that come while others are in flight, so that they go to a
// server together. Sent one by one, each command costs system calls on both sides, which take
// longer than all the rest of a run. A limiter's own calls are batched already, so this is
// for many limiters on one Store, and for limiters that do not batch.
package flights

import (
	"cmp"
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/internal/deadline"
)

const (
	// Few is how many flights there may be before commands wait. A limiter that batches has
	// at most that many runs in flight, so if it is alone on its Store, they never wait.
	Few = 4
	// Most is how many flights there may be in all, including those whose callers have all
	// left.
	Most = 512
	// Size is how many words of commands fill a flight: some seventy lone decisions, or the
	// batches of a few limiters.
	Size = 768
	// slow is the time without a landing after which waiting commands begin one more flight,
	// so that flights that hang, or that have far to go, do not hold them up.
	slow = 5 * time.Millisecond
)

// Flights sends commands of type T. A command goes at once while few are in flight. Later
// ones wait, and go together in the next flight. Flights is safe for concurrent use, but its
// fields must be set before it is used.
type Flights[T any] struct {
	// Here sends work that goes at once on its caller's goroutine, so Do takes as long as
	// Here does. Or it returns false, and Fly sends the work on another goroutine. flights is
	// how many flights there are, including this one.
	Here func(ctx context.Context, flights int, work T) bool
	// Fly sends the work of several callers, some of whom may have left. It must not panic.
	Fly func(ctx context.Context, all []T)
	// Apart makes each work a flight of its own, which waits for others only if there are
	// Most. It is for work that goes to several servers, so that a server that hangs does not
	// hold up work for the others.
	Apart bool
	// Slow replaces slow in tests; 0 stands for 5 ms.
	Slow time.Duration

	mu      sync.Mutex
	flying  int
	landed  time.Time // when a flight landed last; zero if none has since the first of those under way began
	waiting list.List // of *member[T], in the order in which they came
	timer   *byte     // names the timer that calls tick; nil if none is on

	idle sync.Pool // of *member[T]
}

// member is work that is in flight, or waits for a flight.
type member[T any] struct {
	ctx   context.Context // a view of its caller's context
	work  [1]T
	words int

	place *list.Element // nil if it does not wait
	fly   func()        // sends it in a flight of its own
	// done gets an element once the flight has landed. It is made anew for each use, since a
	// channel may be of a testing/synctest bubble.
	done chan struct{}
}

// Do sends work, which has the given number of words, and reports whether its flight has
// landed. Unless Here sends the work, Do returns by the end of ctx. If Do returns false, the
// flight may have begun, or may begin in the next moments, so the caller must not touch work
// any more.
func (f *Flights[T]) Do(ctx context.Context, work T, words int) bool {
	m, ok := f.idle.Get().(*member[T])
	if !ok {
		m = f.newMember()
	}
	m.ctx, m.work[0], m.words = ctx, work, words
	if limiters, ok := ctx.(*deadline.Context); ok {
		m.ctx = limiters.Watched()
	}
	if flying := f.join(m); flying > 0 {
		if f.here(ctx, flying, work) {
			f.put(m)
			return true
		}
		m.done = make(chan struct{}, 1)
		go m.fly()
	}
	passed, cancelled := deadline.Ending(ctx)
	select {
	case <-m.done:
		f.put(m)
		return true
	case <-passed:
	case <-cancelled:
	}
	left := f.leave(m)
	select {
	case <-m.done: // it landed at the last moment
		f.put(m)
		return true
	default:
		if left {
			f.put(m)
		}
		return false
	}
}

func (f *Flights[T]) newMember() *member[T] {
	m := &member[T]{}
	m.fly = func() {
		defer func() { // also if Fly ends the goroutine
			f.land()
			m.done <- struct{}{}
		}()
		f.Fly(m.ctx, m.work[:])
	}
	return m
}

// put makes m available for reuse. It must not be called while the flight of m goes on.
func (f *Flights[T]) put(m *member[T]) {
	var none T
	m.ctx, m.work[0], m.place, m.done = nil, none, nil, nil
	f.idle.Put(m)
}

// here offers work to Here, and reports whether Here sent it. If so, the flight has landed.
func (f *Flights[T]) here(ctx context.Context, flights int, work T) (done bool) {
	ended := false // stays false if Here panics or ends the goroutine
	defer func() {
		if done || !ended {
			f.land()
		}
	}()
	done = f.Here(ctx, flights, work)
	ended = true
	return done
}

// join begins a flight for m and returns how many flights there are now, or makes m wait and
// returns 0.
func (f *Flights[T]) join(m *member[T]) (flying int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if few, _ := f.bounds(); f.flying < few {
		if f.flying == 0 {
			// The timer may be for callers that left long ago, and both may be of a
			// testing/synctest bubble that is over, where it was another time.
			f.timer, f.landed = nil, time.Time{}
		}
		f.flying++
		return f.flying
	}
	m.done = make(chan struct{}, 1)
	m.place = f.waiting.PushBack(m)
	if f.timer == nil {
		f.tickAfter(f.slow())
	}
	return 0
}

func (f *Flights[T]) slow() time.Duration { return cmp.Or(f.Slow, slow) }

// tickAfter starts a timer that calls tick. It is a new timer each time, since an old one may
// be of a testing/synctest bubble. mu must be held.
func (f *Flights[T]) tickAfter(wait time.Duration) {
	name := new(byte)
	f.timer = name
	time.AfterFunc(wait, func() { f.tick(name) })
}

// tick begins a flight beside others that are slow.
func (f *Flights[T]) tick(timer *byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.timer != timer {
		return
	}
	f.timer = nil
	now := time.Now()
	if f.waiting.Len() > 0 && f.flying < Most && now.Sub(f.landed) >= f.slow() {
		f.begin()
	}
	if f.waiting.Len() == 0 {
		return
	}
	wait := f.slow() - now.Sub(f.landed)
	if wait <= 0 { // a flight has just begun, or there are as many as there may be
		wait = f.slow()
	}
	f.tickAfter(wait)
}

// bounds returns how many flights there may be before work waits, and how many words fill a
// flight of work that waited.
func (f *Flights[T]) bounds() (flights, words int) {
	if f.Apart {
		return Most, 1
	}
	return Few, Size
}

// Counts returns how many flights there are, and how many callers wait for one.
func (f *Flights[T]) Counts() (flying, waiting int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.flying, f.waiting.Len()
}

// leave removes m from those that wait. It reports false if m does not wait, because its
// flight has begun.
func (f *Flights[T]) leave(m *member[T]) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m.place == nil {
		return false
	}
	f.waiting.Remove(m.place)
	return true
}

// land ends a flight. If work waits, the next flight begins.
func (f *Flights[T]) land() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.flying--
	f.landed = time.Now()
	if f.waiting.Len() > 0 {
		f.begin()
	}
}

// begin begins a flight of work that waits. mu must be held.
func (f *Flights[T]) begin() {
	var all []*member[T]
	for _, left := f.bounds(); left > 0 && f.waiting.Len() > 0; {
		m := f.waiting.Remove(f.waiting.Front()).(*member[T])
		m.place = nil
		all, left = append(all, m), left-m.words
	}
	f.flying++
	go func() {
		defer func() {
			f.land() // first, so that the next flight is on its way while these callers wake
			for _, m := range all {
				m.done <- struct{}{}
			}
		}()
		ctx, cancel := together(all)
		defer cancel()
		work := make([]T, len(all))
		for i, m := range all {
			work[i] = m.work[0]
		}
		f.Fly(ctx, work)
	}()
}

// together returns the context of a flight: that of its only member, or one that ends when
// the last deadline of all members has passed, even if all of them have left by then. If a
// member has no deadline, that context does not end.
func together[T any](all []*member[T]) (context.Context, context.CancelFunc) {
	if len(all) == 1 {
		return all[0].ctx, func() {}
	}
	var last time.Time
	for _, m := range all {
		at, ok := m.ctx.Deadline()
		if !ok {
			return context.WithCancel(context.Background())
		}
		if at.After(last) {
			last = at
		}
	}
	return context.WithDeadline(context.Background(), last)
}
