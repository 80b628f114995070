package rueidis

import (
	"reflect"
	"sync/atomic"
	"time"

	client "github.com/redis/rueidis"
)

// alone tells which runs may be on their caller's goroutine. To be handed from one
// goroutine to another and back costs the caller who is alone a third of the time,
// and half of its CPU: the scheduler wakes a further thread for it, on a core that
// Redis could use.
//
// What may keep the client beyond a context (see [Store.Prompt]) needs others who use
// it, or takes a while to come about. So these runs are those of a client for one
// server, which nobody has wrapped, while no other run of the Store is in its hands,
// and shortly after one that got its reply.
type alone struct {
	plain bool      // the client is one that this is known of
	made  time.Time // what until counts from
	until atomic.Int64
}

// lately is how long after the begin of a run that got its reply another one may be
// alone.
const lately = 10 * time.Millisecond

// isPlain reports whether c is the client's own, for one server.
func isPlain(c client.Client) bool {
	t := reflect.TypeOf(c)
	return t.Kind() == reflect.Pointer && t.Elem().PkgPath() == "github.com/redis/rueidis" && t.Elem().Name() == "singleClient"
}

// may tells whether a run may be alone that begins at start, if no other one is in
// the client's hands.
func (a *alone) may(start time.Time) bool {
	return a.plain && start.Sub(a.made) < time.Duration(a.until.Load())
}

// ended notes how a run ended that began at start.
func (a *alone) ended(start time.Time, err error) {
	if err != nil {
		a.until.Store(0)
		return
	}
	a.until.Store(int64(start.Sub(a.made) + lately))
}
