package conformance

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// exact lets many callers ask at once, through two Stores, for more units than there are.
func exact(t testing.TB, s *subject) {
	stores, space := []store.Store{s.Open(t), s.Open(t)}, newKeyspace()
	wrong := complain(t)
	for _, l := range s.limits {
		// Large limits are taken in lots.
		const lots = 100
		n := (l.Limit + lots - 1) / lots
		key := []string{space.key(l.String())}
		args := l.program.AppendRequest(l.program.AppendParams(nil), n, 0)
		const callers = 16
		requests := 2 * int(l.Limit/n)
		var (
			mu     sync.Mutex
			grants []grant
			wg     sync.WaitGroup
		)
		for c := range callers {
			wg.Go(func() {
				for range (requests + callers - 1) / callers {
					ctx, cancel := context.WithTimeout(context.Background(), patience)
					reply, err := stores[c%2].Run(ctx, l.program.Script(), key, args)
					cancel()
					if err == nil {
						err = l.program.CheckReply(reply, 1)
					}
					if err != nil {
						wrong.Errorf("a decision of %d units under %v: %v", n, l, err)
						return
					}
					if out, err := l.program.Outcome(reply, 0, 0); err != nil {
						wrong.Errorf("a decision of %d units under %v: %v", n, l, err)
					} else if out.Allowed() {
						mu.Lock()
						grants = append(grants, grant{l.program.Now(reply), n})
						mu.Unlock()
					}
				}
			})
		}
		wg.Wait()
		if t.Failed() {
			return
		}
		if len(grants) == 0 {
			differ(t, 0, l.Limit/n*n, "units admitted of %d that %d callers asked for at once under %v", n*int64(requests), callers, l)
		}
		from, to := grants[0].at, grants[0].at
		for _, g := range grants {
			from, to = min(from, g.at), max(to, g.at)
		}
		admitted := n * int64(len(grants))
		span := time.Duration(to-from) * time.Microsecond
		if least := l.Limit / n * n; admitted < least {
			differ(t, admitted, least, "units admitted of %d that %d callers asked for at once under %v, at the least", n*int64(requests), callers, l)
		}
		if most := l.Bound(span); admitted > most {
			differ(t, admitted, most, "units admitted of %d that %d callers asked for under %v in %v, at the most", n*int64(requests), callers, l, span)
		}
	}
}
