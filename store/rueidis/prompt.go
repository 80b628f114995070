package rueidis

import "github.com/distributed-rate-limiter/ratelimit/store"

var _ store.Prompt = (*Store)(nil)

// Prompt implements [store.Prompt]. It is true, although a rueidis client does not always
// end a command with its context:
//
//   - Each connection has a ring of 1,024 commands, and a command that its caller has given
//     up on keeps its place until the reply or the end of the connection. A command that
//     finds the ring full waits for a place, whatever its context: 4.9 s on a hung server.
//   - A command that needs a connection which another command is making waits for it, for as
//     long as the other command's context or Dialer.Timeout allows.
//
// Therefore a Store does runs on other goroutines, of which it has 512 at most, and Run
// waits for them no longer than its context allows. Only a run that is alone on a client of
// [Open] stays on its caller's goroutine, because neither can happen there.
func (s *Store) Prompt() bool { return s != nil && s.gather != nil }
