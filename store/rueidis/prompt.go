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
// Therefore a Store has the client do 512 runs at a time at most, and leaves them
// to goroutines of their own, which a Run does not wait for longer than its
// context lets it. Only if one server is all there is, and the last run got a
// reply less than a second ago, a Run is done by its caller's goroutine.
//
// So there is an exception, for the few Runs of the first moments after a
// connection that was well is lost, or its server hangs: they may wait for another
// Run's context to end, which is of concern only where timeouts differ; or, with a
// client that you share with others who have filled its ring, as long as these do.
func (s *Store) Prompt() bool { return s != nil && s.turns != nil }
