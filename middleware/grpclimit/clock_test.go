package grpclimit_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
)

// outside is a Redis for use in a bubble of testing/synctest, and follows the clock of the
// bubble. It runs scripts outside the bubble, because a goroutine that waits for a
// connection keeps the time of its bubble from passing. Make it before the bubble.
type outside struct {
	mu      sync.Mutex
	asked   chan question
	replies chan reply
}

type question struct {
	now    time.Time
	script *store.Script
	keys   []string
	args   []int64
}

type reply struct {
	integers []int64
	err      error
}

func newOutside(t testing.TB, r *embedded.Redis) *outside {
	o := &outside{asked: make(chan question), replies: make(chan reply)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for q := range o.asked {
			r.SetTime(q.now)
			integers, err := r.Run(context.Background(), q.script, q.keys, q.args)
			o.replies <- reply{integers, err}
		}
	}()
	t.Cleanup(func() {
		close(o.asked)
		<-done
	})
	return o
}

// Run implements store.Store.
func (o *outside) Run(_ context.Context, s *store.Script, keys []string, args []int64) ([]int64, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked <- question{time.Now(), s, keys, args}
	got := <-o.replies
	return got.integers, got.err
}

// Prompt tells that the limiter can call Run without another goroutine and still leave on
// time.
func (o *outside) Prompt() bool { return true }
