package rueidis

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
)

// alone tells which runs may be on their caller's goroutine, and on a connection that is
// theirs meanwhile. On those that all share, to hand a command from one goroutine to
// another and its reply back takes as long as Redis needs for it, twice, and half of the
// CPU: the scheduler wakes a further thread for it, on a core that Redis could use.
//
// It takes a client that does so, of which Open makes one where there is one server; and
// that nothing else of the Store is in its hands, as else commands go together. The
// connection is there before it is used: to make it takes longer than some have time for.
type alone struct {
	known bool         // that the client is one of those
	ready atomic.Bool  // the connection is there
	tried atomic.Int64 // when it was last to be made, from made on
	made  time.Time
}

// retryPause is how long after one attempt to make the connection another may begin.
const retryPause = time.Second

// wants tells whether the connection is to be made now.
func (a *alone) wants() bool {
	if !a.known || a.ready.Load() {
		return false
	}
	now, tried := int64(time.Since(a.made)+1), a.tried.Load()
	return (tried == 0 || now-tried >= int64(retryPause)) && a.tried.CompareAndSwap(tried, now)
}

// prepare has the connection made in the background, after a run on keys that ended with
// err, if it got its reply.
func (s *Store) prepare(c session, keys []string, err error) {
	if err != nil || !s.gather.wants() {
		return
	}
	keys = slices.Clone(keys[:min(1, len(keys))])
	s.warmer.Go(func(ctx context.Context) {
		if c.Do(ctx, command(c.B(), "EVAL", driver.Nothing, keys, nil, false)).NonRedisError() == nil {
			s.gather.ready.Store(true)
		}
	})
}
