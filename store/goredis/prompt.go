package goredis

import (
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

var _ store.Prompt = (*Store)(nil)

// Prompt implements [store.Prompt]. It is true for every Store of [Open], and for a Store of
// [New] whose client is a *redis.Client, *redis.ClusterClient or *redis.Ring with
// ContextTimeoutEnabled set. go-redis does not set that by default; Prompt is then false,
// and a Run waits for a hung Redis until the client's ReadTimeout. Prompt is also false if
// ReadTimeout or WriteTimeout is negative, or a cluster client is ReadOnly.
//
// If Prompt is true, Run ends by its context's deadline. When the context is cancelled
// earlier, a Run that waits for a connection, or goes with others in a pipeline, notices
// that at once. A Run that waits for a reply by itself notices it only at the deadline, or
// at the ReadTimeout if there is no deadline.
func (s *Store) Prompt() bool { return s != nil && s.prompt }

// prompt reports whether client always ends a command with its context.
func prompt(client Client) bool {
	switch client := client.(type) {
	case *redis.Client:
		o := client.Options()
		return o.ContextTimeoutEnabled && keepsDeadlines(o.ReadTimeout, o.WriteTimeout)
	case *redis.ClusterClient:
		// To tell reads from writes, a ReadOnly client asks for the list of commands, with a
		// timeout of its own.
		o := client.Options()
		return o.ContextTimeoutEnabled && !o.ReadOnly && keepsDeadlines(o.ReadTimeout, o.WriteTimeout)
	case *redis.Ring:
		o := client.Options()
		return o.ContextTimeoutEnabled && keepsDeadlines(o.ReadTimeout, o.WriteTimeout)
	}
	return false
}

// keepsDeadlines reports whether deadlines stay on with these timeouts: if one is negative,
// go-redis sets no deadline at all, not even that of the context.
func keepsDeadlines(read, write time.Duration) bool { return read >= 0 && write >= 0 }
