package observe_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/observe"
)

// tally is a log handler that counts the lines that it gets, and those that it is told
// were left out, by namespace, level and message.
type tally struct {
	mu             sync.Mutex
	lines, dropped map[string]uint64
	ends           int // how many lines said that some were left out
}

func newTally() *tally { return &tally{lines: map[string]uint64{}, dropped: map[string]uint64{}} }

func (*tally) Enabled(context.Context, slog.Level) bool { return true }
func (t *tally) WithAttrs([]slog.Attr) slog.Handler     { return t }
func (t *tally) WithGroup(string) slog.Handler          { return t }

func (t *tally) Handle(_ context.Context, r slog.Record) error {
	attrs := map[string]slog.Value{}
	r.Attrs(func(a slog.Attr) bool { attrs[a.Key] = a.Value; return true })
	t.mu.Lock()
	defer t.mu.Unlock()
	kind := fmt.Sprint(attrs["namespace"], " ", r.Level, " ", strings.TrimPrefix(r.Message, "ratelimit: "))
	if n, ok := attrs["dropped"]; ok {
		t.dropped[kind] += n.Uint64()
		t.ends++
	} else {
		t.lines[kind]++
	}
	return nil
}

func denied(namespace string) ratelimit.Event {
	return ratelimit.Event{Namespace: namespace, Algorithm: "token_bucket", N: 1, Identity: ratelimit.NewIdentity(identity)}
}

func failed(namespace string, class ratelimit.ErrorClass) ratelimit.Event {
	e := denied(namespace)
	e.Result, e.Err, e.Class = ratelimit.Result{Degraded: true}, errors.New("down"), class
	return e
}

// TestSlogSamples checks that each second of a message has at most as many lines as it
// may, and then one that says how many were left out, if any were.
func TestSlogSamples(t *testing.T) {
	for _, test := range []struct {
		name                 string
		options              []observe.SlogOption
		requests             int // a second, for 3 s
		lines, dropped, ends uint64
	}{
		{name: "Few", requests: 10, lines: 30},
		{name: "OneTooMany", requests: 11, lines: 30, dropped: 3, ends: 3},
		{name: "Attack", requests: 10_000, lines: 30, dropped: 29_970, ends: 3},
		{name: "NilOption", options: []observe.SlogOption{nil}, requests: 11, lines: 30, dropped: 3, ends: 3},
		{name: "One", options: []observe.SlogOption{observe.SlogLines(1)}, requests: 100, lines: 3, dropped: 297, ends: 3},
		{name: "None", options: []observe.SlogOption{observe.SlogLines(0)}, requests: 100, dropped: 300, ends: 3},
		{name: "All", options: []observe.SlogOption{observe.SlogLines(math.MaxUint)}, requests: 10_000, lines: 30_000},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				out := newTally()
				observer := observe.Slog(slog.New(out), test.options...)
				for range 3 {
					for range test.requests {
						observer.Observe(t.Context(), denied("shop"))
					}
					time.Sleep(time.Second)
					synctest.Wait()
				}
				time.Sleep(time.Hour) // in which nothing is logged
				synctest.Wait()
				require.Equal(t, test.lines, out.lines["shop INFO denied"])
				require.Equal(t, test.dropped, out.dropped["shop INFO denied"])
				require.EqualValues(t, test.ends, out.ends)
			})
		})
	}
}

// A second begins with its first line, and the lines that were left out of it are reported
// even if no line comes after them.
func TestSlogSaysWhatItLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, out := textLogger(slog.LevelInfo)
		observer := observe.Slog(logger, observe.SlogLines(2))
		time.Sleep(300 * time.Millisecond)
		for range 5 {
			observer.Observe(t.Context(), denied("shop"))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		require.Len(t, lines, 3)
		require.Equal(t, `level=INFO msg="ratelimit: denied" namespace=shop algorithm=token_bucket dropped=3`, lines[2])
	})
}

// Frequent messages do not hide rare ones: each message of each limiter is counted by
// itself, and so is each level of a message that has two.
func TestSlogSamplesEachMessageByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newTally()
		observer := observe.Slog(slog.New(out))
		for range 1000 {
			observer.Observe(t.Context(), denied("shop"))
			observer.Observe(t.Context(), failed("shop", ratelimit.ClassBreaker))
		}
		observer.Observe(t.Context(), failed("shop", ratelimit.ClassTimeout))
		observer.Observe(t.Context(), denied("login"))
		breaker := observer.(ratelimit.BreakerObserver)
		breaker.ObserveBreaker(ratelimit.BreakerEvent{Namespace: "shop", State: ratelimit.BreakerOpen, Err: errors.New("down")})
		breaker.ObserveBreaker(ratelimit.BreakerEvent{Namespace: "shop", State: ratelimit.BreakerClosed})
		for range 1000 { // from the many breakers of a Cluster
			breaker.ObserveBreaker(ratelimit.BreakerEvent{Namespace: "cluster", State: ratelimit.BreakerOpen, Err: errors.New("down")})
		}
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, map[string]uint64{
			"shop INFO denied": 10, "shop DEBUG degraded": 10, "shop WARN degraded": 1, "login INFO denied": 1,
			"shop WARN breaker": 1, "shop INFO breaker": 1, "cluster WARN breaker": 10,
		}, out.lines)
		require.Equal(t, map[string]uint64{
			"shop INFO denied": 990, "shop DEBUG degraded": 990, "cluster WARN breaker": 990,
		}, out.dropped)
	})
}

// An outage is logged once a minute while there are calls, so that it shows in a log that
// began later, or of which only the last hour is read.
func TestSlogRemindsOfAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, out := textLogger(slog.LevelWarn)
		observer := observe.Slog(logger)
		for range 3 {
			for range 1000 {
				observer.Observe(t.Context(), failed("shop", ratelimit.ClassBreaker))
			}
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		time.Sleep(time.Hour) // in which nobody calls
		synctest.Wait()
		const line = `level=WARN msg="ratelimit: degraded" namespace=shop algorithm=token_bucket not_asked=1000` + "\n"
		require.Equal(t, strings.Repeat(line, 3), out.String())
	})
}

// However many call at once, the lines that are written and those that are left out add up
// to all events.
func TestSlogSamplesConcurrently(t *testing.T) {
	const workers, seconds, requests = 8, 5, 2000
	synctest.Test(t, func(t *testing.T) {
		out := newTally()
		observer := observe.Slog(slog.New(out))
		var group sync.WaitGroup
		for range workers {
			group.Go(func() {
				for i := range seconds * requests {
					observer.Observe(t.Context(), denied("shop"))
					if i%20 == 0 {
						time.Sleep(time.Second / 100) // so that seconds end while others call
					}
				}
			})
		}
		group.Wait()
		time.Sleep(time.Second)
		synctest.Wait()
		lines, dropped := out.lines["shop INFO denied"], out.dropped["shop INFO denied"]
		require.EqualValues(t, workers*seconds*requests, lines+dropped)
		// A last second in which no line was left out has no line that says so.
		require.GreaterOrEqual(t, lines, 10*uint64(out.ends))
		require.LessOrEqual(t, lines, 10*uint64(out.ends)+10)
	})
}

// TestSlogSamplesInRealTime runs in real time, so that the race detector sees a second end
// during calls.
func TestSlogSamplesInRealTime(t *testing.T) {
	out := newTally()
	observer := observe.Slog(slog.New(out), observe.SlogLines(1))
	var group sync.WaitGroup
	told := func() bool {
		out.mu.Lock()
		defer out.mu.Unlock()
		return out.ends > 0
	}
	var requests [4]uint64
	for i := range requests {
		group.Go(func() {
			for !told() {
				observer.Observe(t.Context(), denied("shop"))
				requests[i]++
			}
		})
	}
	group.Wait()
	all := requests[0] + requests[1] + requests[2] + requests[3]
	require.Eventually(t, func() bool {
		out.mu.Lock()
		defer out.mu.Unlock()
		return out.lines["shop INFO denied"]+out.dropped["shop INFO denied"] == all
	}, time.Minute, 10*time.Millisecond)
}

// A program that makes a limiter for each tenant fills neither disk nor memory: limiters
// beyond the first thousand are counted as one.
func TestSlogOfManyLimiters(t *testing.T) {
	const limiters = 1500
	synctest.Test(t, func(t *testing.T) {
		out := newTally()
		observer := observe.Slog(slog.New(out), observe.SlogLines(1))
		for i := range limiters {
			for range 3 {
				observer.Observe(t.Context(), denied(fmt.Sprint("tenant", i)))
			}
		}
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, out.dropped, 1000+1)
		require.EqualValues(t, 2, out.dropped["tenant999 INFO denied"])
		require.EqualValues(t, 3*500-1, out.dropped["(others) INFO denied"])
	})
}

// Lines of a disabled level are neither written nor counted.
func TestSlogDisabledIsNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var level slog.LevelVar
		level.Set(slog.LevelWarn)
		var out strings.Builder
		observer := observe.Slog(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: &level})))
		for range 100 {
			observer.Observe(t.Context(), denied("shop"))
		}
		level.Set(slog.LevelInfo)
		for range 5 {
			observer.Observe(t.Context(), denied("shop"))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, 5, strings.Count(out.String(), "\n"))
		require.NotContains(t, out.String(), "dropped")
	})
}

// quiet is a log handler that panics at any line. With SlogLines(0), the only line is the
// one that says how many were left out.
type quiet struct{ slog.Handler }

func (quiet) Enabled(context.Context, slog.Level) bool { return true }

func (quiet) Handle(context.Context, slog.Record) error { panic("about " + identity) }

// The line that says how many were left out is written on a goroutine of its own, and not
// a caller's. A handler that panics there must not end the process.
func TestSlogPanicAtTheEndOfASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reports := defaultLog(t)
		observer := observe.Slog(slog.New(quiet{}), observe.SlogLines(0))
		observer.Observe(t.Context(), denied("shop"))
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, "level=ERROR msg=\"ratelimit: observer panicked\" observer=observe.logs panic=string\n", reports.String())

		slog.SetDefault(slog.New(quiet{}))
		observe.Slog(nil, observe.SlogLines(0)).Observe(t.Context(), denied("shop"))
		time.Sleep(time.Second)
		synctest.Wait()
	})
}

func TestSlogDroppedAllocatesNothing(t *testing.T) {
	observer := observe.Slog(slog.New(slog.NewTextHandler(io.Discard, nil)))
	ctx, e := t.Context(), denied("shop")
	require.Zero(t, testing.AllocsPerRun(10_000, func() { observer.Observe(ctx, e) }))
}

// BenchmarkSlogDropped measures the cost of a line that is left out.
func BenchmarkSlogDropped(b *testing.B) {
	observer := observe.Slog(slog.New(slog.NewTextHandler(io.Discard, nil)))
	ctx, e := b.Context(), denied("shop")
	b.Run("Alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			observer.Observe(ctx, e)
		}
	})
	b.Run("Parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				observer.Observe(ctx, e)
			}
		})
	})
}
