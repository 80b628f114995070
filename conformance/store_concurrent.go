package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

func ownReply(t testing.TB, h *subject) {
	s, space := h.Open(t), newKeyspace()
	// Three scripts whose replies differ in length, and two that make Run return an error.
	scripts := make([]*store.Script, 3, 5)
	for i := range scripts {
		scripts[i] = unseen(fmt.Sprintf(`
local r = {tonumber(string.match(KEYS[1], '(%%d+)$')), tonumber(ARGV[1])}
for i = 1, %d do r[i + 2] = i end
return r`, i))
	}
	scripts = append(scripts, unseen("return redis.error_reply('OWN ' .. ARGV[1])"), unseen("return 'no array'"))
	const goroutines, runs = 32, 50
	wrong := complain(t)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			keys := []string{space.key(strconv.Itoa(g))}
			for i := range runs {
				n := int64(g*runs + i)
				kind := n % int64(len(scripts))
				got, err := s.Run(ctx, scripts[kind], keys, []int64{n})
				server, own := (*store.ServerError)(nil), ""
				switch kind {
				case 3:
					if own = fmt.Sprintf("OWN %d", n); !errors.As(err, &server) || server.Message != own {
						wrong.Errorf("reply to one of %d concurrent runs, some of which fail\n  got:  %v, error %v\n  want: a *store.ServerError with the message %q", goroutines, got, err, own)
						return
					}
				case 4:
					if !errors.Is(err, store.ErrReply) {
						wrong.Errorf("reply to one of %d concurrent runs, some of which fail\n  got:  %v, error %v\n  want: %v", goroutines, got, err, store.ErrReply)
						return
					}
				default:
					if want := []int64{int64(g), n, 1, 2}[:2+kind]; err != nil || !slices.Equal(got, want) {
						wrong.Errorf("reply to one of %d concurrent runs, some of which fail\n  got:  %v, error %v\n  want: %v", goroutines, got, err, want)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

func atomicity(t testing.TB, h *subject) {
	stores, key := []store.Store{h.Open(t), h.Open(t)}, newKeyspace().key("n")
	// Not INCR, which would be atomic by itself.
	add := store.NewScript("add", "local n = (redis.call('GET', KEYS[1]) or 0) + 1 redis.call('SET', KEYS[1], n, 'PX', 600000) return {n}")
	const goroutines, runs = 16, 50
	counts := make(chan int64, goroutines*runs)
	wrong := complain(t)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			for range runs {
				reply, err := stores[g%2].Run(ctx, add, []string{key}, nil)
				if err != nil || len(reply) != 1 {
					wrong.Errorf("Run: %v, error %v", reply, err)
					return
				}
				counts <- reply[0]
			}
		})
	}
	wg.Wait()
	close(counts)
	seen := make(map[int64]bool)
	for n := range counts {
		if seen[n] {
			differ(t, fmt.Sprintf("%d twice", n), "each once", "counts from 1 to %d, read and written by a script each", goroutines*runs)
		}
		seen[n] = true
	}
	if len(seen) != goroutines*runs || !seen[goroutines*runs] {
		differ(t, len(seen), goroutines*runs, "different counts")
	}
}

func lostReply(t testing.TB, h *subject) {
	if h.OpenDial == nil {
		t.Skip("Harness.OpenDial is nil: set it to test that a run is not repeated when its reply is lost")
	}
	for _, keep := range []int{0, 3, untold} {
		w := &wire{}
		s, key := h.OpenDial(t, w.dial), newKeyspace().key("n")
		for range 5 {
			script := unseen(incr.Source())
			before := run(t, s, script, []string{key}) // so that the server has the script
			w.cut(script, keep)
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			reply, err := s.Run(ctx, script, []string{key}, nil)
			cancel()
			if !w.wasCut() {
				t.Fatal("the Store's client did not connect by the dial that Harness.OpenDial was given")
			}
			how := fmt.Sprintf("all but %d bytes of it", keep)
			if keep == untold {
				how = "as the connection failed when all was written"
			}
			if err == nil {
				differ(t, fmt.Sprintf("%v and no error", reply), "an error", "Run whose reply was lost, %s", how)
			}
			if server := (*store.ServerError)(nil); errors.As(err, &server) || errors.Is(err, store.ErrReply) {
				differ(t, fmt.Sprintf("%v (%T)", err, err), "an error that wraps neither a *store.ServerError nor ErrReply: the server's reply has not come", "Run whose reply was lost, %s", how)
			}
			if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
				differ(t, err, "an error that wraps none of package context", "Run whose reply was lost, and whose context had not ended")
			}
			var after []int64
			eventually(t, "Run after one whose reply was lost", func() error {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				after, err = s.Run(ctx, count, []string{key}, nil)
				return err
			})
			for late := 0; keep == untold && after[0] == before[0] && late < 100; late++ {
				time.Sleep(10 * time.Millisecond) // nobody has waited for the script to run
				after = run(t, s, count, []string{key})
			}
			if after[0] != before[0]+1 && !(keep == untold && after[0] == before[0]) { // it may not have arrived
				differ(t, after[0]-before[0], 1, "executions of a script whose reply was lost, %s", how)
			}
		}
	}
}
