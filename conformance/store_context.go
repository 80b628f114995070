package conformance

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

func contextEnded(t testing.TB, h *subject) {
	s, key := h.Open(t), []string{newKeyspace().key("n")}
	run(t, s, incr, key)
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	past, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Hour))
	defer cancel()
	for _, ctx := range []context.Context{canceled, past} {
		reply, err := s.Run(ctx, incr, key, nil)
		if !errors.Is(err, ctx.Err()) {
			differ(t, err, ctx.Err(), "error of a Run whose context had ended (it returned %v beside it)", reply)
		}
	}
	if got := run(t, s, incr, key); got[0] != 2 {
		differ(t, got[0], 2, "count, if no run whose context had ended was sent")
	}
	// A context that ends after its Run must disturb nothing.
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	_, err := s.Run(ctx, incr, key, nil)
	cancel()
	if err != nil {
		differ(t, err, "no error", "Run whose context ended afterwards")
	}
	if got := run(t, s, incr, key); got[0] != 4 {
		differ(t, got[0], 4, "count, after a context that ended after its Run")
	}
}

// noDeadline makes runs with and without a deadline by turns, because a socket's deadline
// stays set until it is set anew.
func noDeadline(t testing.TB, h *subject) {
	s, key := h.Open(t), []string{newKeyspace().key("n")}
	script := unseen(incr.Source())
	for want := int64(1); want <= 4; want++ {
		ctx, cancel := context.WithCancel(context.Background())
		end := time.AfterFunc(patience, cancel)
		reply, err := s.Run(ctx, script, key, nil)
		end.Stop()
		cancel()
		if err != nil {
			differ(t, err, "no error", "Run with a context without a deadline, after %d others, each with one that has passed since", want-1)
		}
		if reply[0] < want {
			differ(t, reply[0], want, "count by a Run with a context without a deadline")
		}
		short, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
		_, _ = s.Run(short, script, key, nil) // on a slow network it may fail
		<-short.Done()
		cancel()
	}
}

var busyScript = store.NewScript("busy", "local x = 0 for i = 1, tonumber(ARGV[1]) do x = x + i % 7 end return {x}")

// busy keeps the Redis that has key busy for about span, so that it answers nothing else.
// It returns once Redis is busy, and closes the channel once Redis is free again. A client
// may give up the long run, as if the connection hung, but not before span has passed.
func busy(t testing.TB, h *subject, key string, span time.Duration) <-chan struct{} {
	t.Helper()
	s := h.Open(t)
	rounds := int64(50_000)
	run(t, s, busyScript, []string{key}, 1) // connects
	takes := func(rounds int64) time.Duration {
		took := time.Hour // the shortest of three: other programs may keep the machine busy
		for range 3 {
			start := time.Now()
			run(t, s, busyScript, []string{key}, rounds)
			took = min(took, time.Since(start))
		}
		return took
	}
	way := takes(1) // the round trip, which is long to some servers
	for {
		took := takes(rounds) - way
		if took > max(20*time.Millisecond, way) {
			rounds = int64(float64(rounds) * float64(span) / float64(took))
			break
		}
		rounds *= 2
	}
	done := make(chan struct{})
	began := time.NewTimer(50 * time.Millisecond)
	go func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		start := time.Now()
		_, err := s.Run(ctx, busyScript, []string{key}, []int64{rounds})
		// On a busy machine the run takes much longer than planned.
		if took := time.Since(start); err != nil && took < span {
			t.Errorf("Run of a script that keeps Redis busy for %v: %v, after %v", span, err, took)
		}
		// The script goes on after its client gave up, and would disturb what comes next.
		for err != nil && ctx.Err() == nil {
			time.Sleep(10 * time.Millisecond)
			_, err = s.Run(ctx, busyScript, []string{key}, []int64{1})
		}
	}()
	select { // long enough for the run to be on its way, short beside span
	case <-began.C:
	case <-done:
	}
	return done
}

// socketHint explains a failure that is typical of a Store that looks at ctx.Err() alone.
const socketHint = "A deadline that was set on a socket from the context's may pass a moment before ctx.Err() is non-nil: " +
	"if the time is not before ctx.Deadline(), wrap context.DeadlineExceeded all the same"

func contextEnds(t testing.TB, h *subject) {
	s, key := h.Open(t), newKeyspace().key("n")
	run(t, s, incr, []string{key})
	done := busy(t, h, key, 700*time.Millisecond)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	cancelled, giveUp := context.WithTimeout(context.Background(), patience)
	defer giveUp()
	time.AfterFunc(100*time.Millisecond, giveUp)
	wrong := complain(t)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if i%2 == 1 { // a Store may notice the cancellation, or wait for the answer
				_, err := s.Run(cancelled, incr, []string{key}, nil)
				if err != nil && !errors.Is(err, context.Canceled) {
					wrong.Errorf("error of a Run whose context was cancelled while it waited\n  got:  %v\n  want: an error that wraps %v", err, context.Canceled)
				}
				return
			}
			reply, err := s.Run(ctx, incr, []string{key}, nil)
			switch {
			case err == nil && len(reply) == 1:
			case err == nil:
				wrong.Errorf("Run returned %v and no error: neither an answer nor the end of its context", reply)
			case !errors.Is(err, context.DeadlineExceeded):
				wrong.Errorf("error of a Run whose deadline passed while it waited\n  got:  %v\n  want: an error that wraps %v\n%s", err, context.DeadlineExceeded, socketHint)
			}
		})
	}
	wg.Wait()
	<-done
	eventually(t, "Run after others whose contexts ended", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := s.Run(ctx, incr, []string{key}, nil)
		return err
	})
	if got := run(t, s, count, []string{key}); got[0] > 22 {
		differ(t, got[0], "at most 22", "count of executions, after 22 runs")
	}
}

func prompt(t testing.TB, h *subject) {
	s, key := h.Open(t), newKeyspace().key("n")
	if p, ok := s.(store.Prompt); !ok || !p.Prompt() {
		t.Skip("the Store makes no promise to be prompt: implement store.Prompt if it is")
	}
	run(t, s, incr, []string{key})
	// What counts is whether Run returns before Redis is free again, not how long it takes.
	done := busy(t, h, key, 1500*time.Millisecond)
	late := complain(t)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
			defer cancel()
			_, err := s.Run(ctx, incr, []string{key}, nil)
			if ctx.Err() == nil {
				return // answered in time, for whatever reason
			}
			select {
			case <-done:
				late.Errorf("Run with a deadline in 100 ms on a Redis that is busy for 1.5 s\n  got:  %v, when Redis was free again\n  want: %v, before that",
					err, context.DeadlineExceeded)
			default:
			}
		})
	}
	wg.Wait()
	<-done
}

func neighbours(t testing.TB, h *subject) {
	s, space := h.Open(t), newKeyspace()
	add := store.NewScript("add", "local n = redis.call('INCRBY', KEYS[1], ARGV[1]) redis.call('PEXPIRE', KEYS[1], 600000) return {n, ARGV[2] + 0}")
	const goroutines, runs = 12, 60
	wrong := complain(t)
	run(t, s, add, space.keys(1), 0, 0)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			keys := []string{space.keys(goroutines)[g]}
			impatient := g%3 == 0
			var answered int64
			for i := range int64(runs) {
				span := patience
				if impatient {
					span = time.Duration(i*37%400) * time.Microsecond
				}
				ctx, cancel := context.WithTimeout(context.Background(), span)
				reply, err := s.Run(ctx, add, keys, []int64{1, int64(g)*1000 + i})
				cancel()
				switch {
				case err == nil && len(reply) == 2 && reply[1] == int64(g)*1000+i:
					answered++
				case err == nil:
					wrong.Errorf("a reply among neighbours that give up\n  got:  %v\n  want: [… %d]", reply, int64(g)*1000+i)
				case !impatient:
					wrong.Errorf("a run with time enough, among neighbours that give up\n  got:  %v\n  want: no error", err)
				case !errors.Is(err, context.DeadlineExceeded):
					wrong.Errorf("a run that gave up\n  got:  %v\n  want: an error that wraps %v\n%s", err, context.DeadlineExceeded, socketHint)
				}
			}
			if total := run(t, s, count, keys); total[0] < answered || total[0] > runs || !impatient && total[0] != runs {
				wrong.Errorf("executions of %d runs of one goroutine\n  got:  %d\n  want: at least the %d that were answered, each once", runs, total[0], answered)
			}
		})
	}
	wg.Wait()
	if got := run(t, s, store.NewScript("fine", "return {1, 2}"), space.keys(1)); !slices.Equal(got, []int64{1, 2}) {
		differ(t, got, "[1 2]", "reply after neighbours that gave up")
	}
}
