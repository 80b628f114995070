package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// many returns keys of many partitions: no two have a hash tag in common.
func (k keyspace) many(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("conformance:%d:%s", i, string(k)[len(k)-20:])
	}
	return keys
}

// pipelinedOf returns s as a store.Pipelined, or skips the test if it is none.
func pipelinedOf(t testing.TB, s store.Store) store.Pipelined {
	t.Helper()
	p, ok := s.(store.Pipelined)
	if !ok {
		t.Skip("the Store is not store.Pipelined")
	}
	return p
}

// addScript adds to a key, and replies with which run it is and the sum. In runs 3 and 5
// it fails, in two different ways.
const addScript = `
if ARGV[1] == '3' then return redis.error_reply('OOPS not this one') end
if ARGV[1] == '5' then return 'no array' end
redis.call('PEXPIRE', KEYS[1], 600000)
return {tonumber(ARGV[1]), redis.call('INCRBY', KEYS[1], ARGV[2])}`

// addRuns returns a run of addScript for each key.
func addRuns(keys []string) []store.Run {
	runs := make([]store.Run, len(keys))
	for i, key := range keys {
		runs[i] = store.Run{Keys: []string{key}, Args: []int64{int64(i), int64(i) + 1}, Err: errors.New("of before")}
	}
	return runs
}

// added returns what is wrong with the runs of addRuns after they were done for the
// time-th time.
func added(keys []string, runs []store.Run, time int) error {
	for i, r := range runs {
		if want := []string{keys[i]}; !slices.Equal(r.Keys, want) {
			return fmt.Errorf("keys of run %d, after it\n  got:  %v\n  want: %v", i, r.Keys, want)
		}
		if want := []int64{int64(i), int64(i) + 1}; !slices.Equal(r.Args, want) {
			return fmt.Errorf("args of run %d, after it\n  got:  %v\n  want: %v", i, r.Args, want)
		}
		got, server := fmt.Sprintf("%v, error %v", r.Reply, r.Err), (*store.ServerError)(nil)
		switch i {
		case 3:
			if !errors.As(r.Err, &server) || server.Message != "OOPS not this one" || r.Reply != nil {
				return fmt.Errorf("run %d, whose script fails\n  got:  %s\n  want: a *store.ServerError with the message %q", i, got, "OOPS not this one")
			}
		case 5:
			if !errors.Is(r.Err, store.ErrReply) || r.Reply != nil {
				return fmt.Errorf("run %d, whose reply is no array\n  got:  %s\n  want: %v", i, got, store.ErrReply)
			}
		default:
			if want := []int64{int64(i), int64(time * (i + 1))}; r.Err != nil || !slices.Equal(r.Reply, want) {
				return fmt.Errorf("run %d: which run it was, and the sum of what its key got, for the %d. time\n  got:  %s\n  want: %v", i, time, got, want)
			}
		}
	}
	return nil
}

// runAllApart calls RunAll from several goroutines while the server forgets its scripts.
func runAllApart(t testing.TB, h *subject) {
	s := h.Open(t)
	p := pipelinedOf(t, s)
	script, wrong := unseen(addScript), complain(t)
	done := make(chan struct{})
	var callers, flusher sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			keys := newKeyspace().many(12)
			for round := range 20 {
				runs := addRuns(keys)
				p.RunAll(ctx, script, runs)
				if err := added(keys, runs, round+1); err != nil {
					wrong.Errorf("RunAll by one of 8 callers at once: %v", err)
					return
				}
			}
		})
	}
	if h.flush(t) {
		flusher.Go(func() {
			for {
				select {
				case <-done:
					return
				case <-time.After(time.Millisecond):
					h.FlushScripts(t)
				}
			}
		})
	}
	callers.Wait()
	close(done)
	flusher.Wait()
}

func runAllEnds(t testing.TB, h *subject) {
	s, space := h.Open(t), newKeyspace()
	p := pipelinedOf(t, s)
	promise, ok := s.(store.Prompt)
	isPrompt := ok && promise.Prompt()
	script, keys := unseen(incr.Source()), space.keys(10)
	all := func(ctx context.Context) []store.Run {
		runs := make([]store.Run, len(keys))
		for i, key := range keys {
			runs[i] = store.Run{Keys: []string{key}}
		}
		p.RunAll(ctx, script, runs)
		return runs
	}
	first, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	all(first)
	done := busy(t, h, space.key("busy"), 1500*time.Millisecond)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	runs := all(ctx)
	inTime := ctx.Err() == nil
	time.Sleep(20 * time.Millisecond) // RunAll may learn that Redis is free a moment before busy does
	select {
	case <-done:
		if isPrompt && !inTime {
			t.Errorf("RunAll with a deadline in 100 ms on a Redis that is busy for 1.5 s, of a Store that is prompt\n  got:  %v, when Redis was free again\n  want: %v, before that",
				runs[0].Err, context.DeadlineExceeded)
		}
	default:
	}
	for i, r := range runs {
		switch {
		case r.Err == nil && len(r.Reply) == 1:
		case !errors.Is(r.Err, context.DeadlineExceeded) || r.Reply != nil:
			differ(t, fmt.Sprintf("%v, %v", r.Reply, r.Err), context.DeadlineExceeded, "run %d of a RunAll whose deadline passed while it waited\n%s", i, socketHint)
		}
	}
	<-done
	for i, key := range keys {
		if got := run(t, s, count, []string{key}); got[0] > 2 {
			differ(t, got[0], "at most 2", "executions of run %d of two RunAll, the second of which was given up", i)
		}
	}
}

func runAllLost(t testing.TB, h *subject) {
	if h.OpenDial == nil {
		t.Skip("Harness.OpenDial is nil: set it to test that a run of RunAll is not repeated when its reply is lost")
	}
	for _, keep := range []int{0, untold} {
		w := &wire{}
		s, keys := h.OpenDial(t, w.dial), newKeyspace().keys(6)
		p := pipelinedOf(t, s)
		script := unseen(incr.Source())
		run(t, s, script, keys[:1]) // so that the server has the script
		run(t, s, dropScript, keys)
		w.cut(script, keep)
		runs := make([]store.Run, len(keys))
		for i, key := range keys {
			runs[i] = store.Run{Keys: []string{key}}
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		p.RunAll(ctx, script, runs)
		cancel()
		if !w.wasCut() {
			t.Fatal("the Store's client did not connect by the dial that Harness.OpenDial was given")
		}
		if !slices.ContainsFunc(runs, func(r store.Run) bool { return r.Err != nil }) {
			differ(t, "no error", "an error", "the runs of a RunAll, of which replies were lost")
		}
		for i, r := range runs {
			server := (*store.ServerError)(nil)
			switch {
			case r.Err == nil && slices.Equal(r.Reply, []int64{1}):
			case r.Err == nil:
				differ(t, r.Reply, "[1], or an error", "reply of run %d of a RunAll, of which replies were lost", i)
			case errors.Is(r.Err, context.DeadlineExceeded), errors.Is(r.Err, context.Canceled), errors.As(r.Err, &server), errors.Is(r.Err, store.ErrReply):
				differ(t, fmt.Sprintf("%v (%T)", r.Err, r.Err), "an error that wraps none of package context, no *store.ServerError and not ErrReply",
					"run %d of a RunAll whose reply was lost, and whose context had not ended", i)
			}
		}
		recovers(t, s, []string{newKeyspace().key("n")})
		for i, key := range keys {
			if got := run(t, s, count, []string{key}); got[0] > 1 {
				differ(t, got[0], "at most 1", "executions of run %d of a RunAll whose reply was lost", i)
			}
		}
	}
}
