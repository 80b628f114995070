package rueidis

import (
	"sync/atomic"
	"time"
)

// alone tells which runs may be on their caller's goroutine. To be handed from one
// goroutine to another and back costs the caller who is alone a third of the time,
// and half of its CPU: the scheduler wakes a further thread for it, on a core that
// Redis could use.
//
// What may keep the client beyond a context (see [Store.Prompt]) needs others who use
// it, whom the Store does not know of where the client is the caller's. So these runs
// are those of a client that Open made for one server, while nothing else of the Store
// is in its hands, and shortly after one that got its reply.
type alone struct {
	known   bool         // that nobody else uses the client
	warming atomic.Int32 // what makes a connection, beside runs

	made   time.Time    // what these count from:
	until  atomic.Int64 // when the last reply will have been long ago
	failed atomic.Int64 // when the last run failed
}

// lately is how long after the begin of a run that got its reply another one may be
// alone.
const lately = 10 * time.Millisecond

// may tells whether a run may be alone that begins at start, if no other one is in
// the client's hands.
func (a *alone) may(start time.Time) bool {
	if !a.known || a.warming.Load() > 0 {
		return false
	}
	left := time.Duration(a.until.Load()) - start.Sub(a.made)
	return 0 < left && left <= lately
}

// ended notes how a run ended that began at start.
func (a *alone) ended(start time.Time, err error) {
	switch began := start.Sub(a.made); {
	case err != nil:
		a.failed.Store(int64(time.Since(a.made)))
		a.until.Store(0)
	case int64(began) > a.failed.Load():
		a.until.Store(int64(began + lately))
	}
}
