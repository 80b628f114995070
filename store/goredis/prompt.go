package goredis

import (
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

var _ store.Prompt = (*Store)(nil)

// Prompt implements [store.Prompt]. It is true for every Store of [Open], and
// for one of [New] whose client, a *redis.Client, *redis.ClusterClient or
// *redis.Ring, has ContextTimeoutEnabled set, which by default it has not: then
// a Run waits for a hung Redis until the client's ReadTimeout. A negative
// ReadTimeout or WriteTimeout makes it false too.
//
// A context ends by its deadline here. One that is cancelled earlier than that is
// noticed at once by a Run that waits for a connection or goes with others in a
// pipeline, but by one that waits for a reply by itself only at the deadline; or at the
// ReadTimeout, where there is none.
func (s *Store) Prompt() bool { return s != nil && s.prompt }

// prompt reports whether client ends a command with its context, always.
func prompt(client Client) bool {
	switch client := client.(type) {
	case *redis.Client:
		o := client.Options()
		return o.ContextTimeoutEnabled && keepsDeadlines(o.ReadTimeout, o.WriteTimeout)
	case *redis.ClusterClient:
		// To tell reads from writes, ReadOnly has it ask for the list of commands,
		// with a timeout of its own.
		o := client.Options()
		return o.ContextTimeoutEnabled && !o.ReadOnly && keepsDeadlines(o.ReadTimeout, o.WriteTimeout)
	case *redis.Ring:
		o := client.Options()
		return o.ContextTimeoutEnabled && keepsDeadlines(o.ReadTimeout, o.WriteTimeout)
	}
	return false
}

// keepsDeadlines reports whether timeouts leave deadlines on: a negative one has
// go-redis set none at all, not even the context's.
func keepsDeadlines(read, write time.Duration) bool { return read >= 0 && write >= 0 }
