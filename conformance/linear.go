package conformance

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/internal/linearizable"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// linearizability lets many goroutines take units through two Stores, by the server's own
// clock, and looks for an order of their calls that explains all answers.
func linearizability(t testing.TB, s *subject) {
	stores := [2]store.Store{s.Open(t), s.Open(t)}
	tries := 1
	if isUnsteady(t, stores[0]) {
		tries = 3 // a clock that is set back can spoil a try, but hardly three in a row
	}
	for _, l := range s.limits {
		for try := 1; ; try++ {
			calls := history(t, s, stores, l)
			if t.Failed() {
				return
			}
			start := time.Now()
			err := linearizable.Check(l.Plan, calls)
			if err == nil {
				t.Logf("%v: a history of %d calls by %d callers, checked in %v", l, len(calls), askers, time.Since(start).Round(time.Millisecond))
				break
			}
			if try == tries {
				t.Fatalf("history of %d callers under %v: %v", askers, l, err)
			}
			t.Logf("%v: once more, since the server's clock may have been set back: %v", l, err)
		}
	}
}

const askers = 16

// history makes calls from many goroutines, on fresh keys, and returns them with the answers.
func history(t testing.TB, s *subject, stores [2]store.Store, l limit) []linearizable.Call {
	space, wrong := newKeyspace(), complain(t)
	total := min(60_000, max(600, 30*checks())) / len(s.limits)
	// Each key gets enough calls to drain it several times.
	perKey := int(min(max(40, 4*l.Limit), 1000))
	ns := []int64{1, 1, 0, 1 + l.Limit/20, 1, 2, l.Limit + 1}
	each := make([][]linearizable.Call, askers)
	var wg sync.WaitGroup
	for c := range askers {
		wg.Go(func() {
			for i := range total / askers {
				call := linearizable.Call{Caller: c, Key: space.key(fmt.Sprintf("%v %d", l, i*askers/perKey)), N: ns[(i+c)%len(ns)]}
				args := l.program.AppendRequest(l.program.AppendParams(nil), call.N, 0)
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				call.Begin = time.Now()
				reply, err := stores[c%2].Run(ctx, l.program.Script(), []string{call.Key}, args)
				call.End = time.Now()
				cancel()
				if err == nil {
					err = l.program.CheckReply(reply, 1)
				}
				if err == nil {
					call.Now = l.program.Now(reply)
					call.Out, err = l.program.Outcome(reply, 0, 0)
				}
				if err != nil {
					wrong.Errorf("a decision of %d units under %v: %v", call.N, l, err)
					return
				}
				each[c] = append(each[c], call)
			}
		})
	}
	wg.Wait()
	return slices.Concat(each...)
}
