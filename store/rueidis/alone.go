package rueidis

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
)

// alone decides which runs stay on their caller's goroutine, on a connection that is theirs
// meanwhile. On the connections that all share, commands and replies are handed from one
// goroutine to another. That takes two fifths of the time of a lone caller, and a third of
// its CPU: the scheduler wakes a further thread for it, on a core that Redis could use.
//
// It takes a client that has such a connection, which Open makes where there is one server,
// and nothing else of the Store in flight: otherwise commands go together. The connection
// has to be there already, since some callers have too little time to make one; and to have
// been used lately, since nobody pings it.
type alone struct {
	known bool         // that the client is one of those
	ready atomic.Bool  // the connection is there
	made  time.Time    // what these count from:
	used  atomic.Int64 // when the last reply came on the connection
	came  atomic.Int64 // when the last reply came on another, while there was no connection
	tried atomic.Int64 // when the connection was last to be made

	maker driver.Warmer
}

// lately is how long after a reply on the connection it may be used, and how soon runs are
// to follow each other to be worth one. The others are pinged as often.
const lately = pingInterval

// retryPause is how long after one attempt to make the connection another may begin.
const retryPause = time.Second

func (a *alone) now() int64 { return int64(time.Since(a.made)) + 1 }

// may reports whether a run may be alone, if nothing else is in flight.
func (a *alone) may() bool {
	if !a.ready.Load() {
		return false
	}
	if a.now()-a.used.Load() >= int64(lately) {
		a.ready.Store(false)
		return false
	}
	return true
}

// ended notes whether a run that was alone, or the making of the connection, got a reply.
// Otherwise the client has closed the connection.
func (a *alone) ended(heard bool) {
	if heard {
		a.used.Store(a.now())
	}
	a.ready.Store(heard)
}

// wants tells, after a run that got its reply, whether the connection is to be made now.
func (a *alone) wants() bool {
	if !a.known || a.ready.Load() {
		return false
	}
	now, tried := a.now(), a.tried.Load()
	came := a.came.Swap(now)
	return came > 0 && now-came < int64(lately) &&
		(tried == 0 || now-tried >= int64(retryPause)) && a.tried.CompareAndSwap(tried, now)
}

// prepare has the connection made in the background, or tried if it is there, after a run
// on keys that ended with err.
func (s *Store) prepare(c session, keys []string, err error) {
	if err != nil || !s.gather.wants() {
		return
	}
	keys = slices.Clone(keys[:min(1, len(keys))])
	s.gather.maker.Go(func(ctx context.Context) {
		s.gather.ended(c.Do(ctx, command(c.B(), "EVAL", driver.Nothing, keys, nil, false)).NonRedisError() == nil)
	})
}
