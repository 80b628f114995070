package rueidis

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
)

// alone decides which runs stay on their caller's goroutine, each on a connection that it
// has to itself meanwhile. On the connections that all runs share, the client hands commands
// and replies from one goroutine to another. That takes two fifths of the time of a lone
// caller, and a third of its CPU, because the scheduler wakes another thread for it, on a
// core that Redis could use.
//
// A run can be alone only if the client has such a connection, as Open arranges for a client
// of one server, and if nothing else of the Store is in flight: otherwise commands go
// together. The connection must be there already, because some callers have too little time
// to make one. And it must have been used lately, because nobody pings it.
type alone struct {
	known bool         // whether Open made the client, for one server
	ready atomic.Bool  // whether the connection is there
	made  time.Time    // the instant from which the times below count
	used  atomic.Int64 // when the last reply came on the connection
	came  atomic.Int64 // when the last reply came on another, while this one was not there
	tried atomic.Int64 // when the last attempt to make the connection began

	maker driver.Warmer
}

// lately is how long after a reply on the connection it may be used, and how soon runs must
// follow each other to be worth a connection. The other connections are pinged as often.
const lately = pingInterval

// retryPause is the least time between two attempts to make the connection.
const retryPause = time.Second

func (a *alone) now() int64 { return int64(time.Since(a.made)) + 1 }

// may reports whether a run may be alone, provided that nothing else is in flight.
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

// ended notes whether a run that was alone, or the attempt to make the connection, got a
// reply. If not, the client has closed the connection.
func (a *alone) ended(heard bool) {
	if heard {
		a.used.Store(a.now())
	}
	a.ready.Store(heard)
}

// wants reports, after a run that got its reply, whether to make the connection now.
func (a *alone) wants() bool {
	if !a.known || a.ready.Load() {
		return false
	}
	now, tried := a.now(), a.tried.Load()
	came := a.came.Swap(now)
	return came > 0 && now-came < int64(lately) &&
		(tried == 0 || now-tried >= int64(retryPause)) && a.tried.CompareAndSwap(tried, now)
}

// prepare follows a run on keys that ended with err. If the connection is wanted, prepare
// runs a script that does nothing, in the background. That makes the connection, or tries the
// one that the client still has.
func (s *Store) prepare(c session, keys []string, err error) {
	if err != nil || !s.gather.wants() {
		return
	}
	keys = slices.Clone(keys[:min(1, len(keys))])
	s.gather.maker.Go(func(ctx context.Context) {
		s.gather.ended(c.Do(ctx, command(c.B(), "EVAL", driver.Nothing, keys, nil, false)).NonRedisError() == nil)
	})
}
