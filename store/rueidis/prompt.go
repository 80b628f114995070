package rueidis

import "github.com/distributed-rate-limiter/ratelimit/store"

var _ store.Prompt = (*Store)(nil)

// Prompt implements [store.Prompt]. It is true, although a rueidis client does
// not always end a command with its context:
//
//   - Each connection has a ring of 1,024 commands, and one that was given up on
//     keeps its place until the reply or the end of the connection. Who finds the
//     ring full waits for that, whatever the context: 4.9 s on a hung server.
//   - Who needs a connection that another one is making waits for it, for as long
//     as the other one's context or Dialer.Timeout lets it.
//
// Therefore a Store leaves runs to other goroutines, which Run does not wait for longer
// than its context lets it, and has 512 of them at most; but for runs that are alone
// with a client of Open's, where neither can be.
func (s *Store) Prompt() bool { return s != nil && s.gather != nil }
