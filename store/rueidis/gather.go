package rueidis

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	client "github.com/redis/rueidis"

	"github.com/distributed-rate-limiter/ratelimit/internal/deadline"
	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
	"github.com/distributed-rate-limiter/ratelimit/internal/flights"
)

// gather makes commands end with their contexts, whatever the client does. Commands that
// come while some are in flight go to the server together, by DoMulti.
type gather struct {
	flights.Flights[*work]
	idle sync.Pool // of *work
	alone
}

// work is the commands of one Run or RunAll, and their results. It serves one Run after
// another, so that a Run does not allocate it.
type work struct {
	client   client.Client
	commands []client.Completed
	results  []client.RedisResult
	err      error // the error of all commands, instead of results
	words    int
}

// panicked returns the error for a panic of the client. It does not begin with the package's
// name: see failure.
func panicked(p any) error { return fmt.Errorf("the client panicked: %v", p) }

var errNotRun = errors.New("rueidis: the client did not run the command")

// newGather returns the gather of a client. apart says that commands of several callers must
// not go together; known says that the client has one server and that nobody else uses it.
func newGather(apart, known bool) *gather {
	g := &gather{alone: alone{known: known, made: time.Now()}}
	g.Here, g.Fly, g.Apart = g.here, g.fly, apart
	return g
}

// apart reports whether commands of several callers must go apart. They may go together only
// by a client that is known to send each of several commands once, to one server. (A client
// that follows a server's redirections by itself, Standalone.EnableRedirect, sends all of
// them again if one is refused. And a hook, which is a client too, should see each command
// under its caller's context.)
func apart(c client.Client) bool {
	t := reflect.TypeOf(c)
	if t.Kind() != reflect.Pointer || t.Elem().PkgPath() != "github.com/redis/rueidis" {
		return true
	}
	return t.Elem().Name() != "singleClient" && t.Elem().Name() != "sentinelClient"
}

// begin returns work without commands, to add some to.
func (g *gather) begin(c client.Client) *work {
	w, ok := g.idle.Get().(*work)
	if !ok {
		w = &work{}
	}
	w.client = c
	return w
}

func (w *work) add(verb, script string, keys []string, args []int64, across bool) {
	w.commands = append(w.commands, command(w.client.B(), verb, script, keys, args, across))
	w.words += 3 + len(keys) + len(args)
}

// do sends the commands of w. If it returns an error, that is the error of all of them, and
// w no longer belongs to the caller. Otherwise the caller must put w back.
func (g *gather) do(ctx context.Context, w *work) error {
	if !g.Do(ctx, w, w.words) {
		err := driver.Wrap(ctx, name, ctx.Err())
		if limiters, ok := ctx.(*deadline.Context); ok {
			limiters.End() // tells the client, whose context is a view made by Watched
		}
		return err
	}
	if w.err != nil {
		err := w.err
		g.put(w)
		return err
	}
	return nil
}

// put lets work be used again, unless it has several commands. rueidis writes these from
// where they are, and may still do so after DoMulti has returned because its context ended.
func (g *gather) put(w *work) {
	if len(w.commands) > 1 {
		return
	}
	clear(w.commands)
	clear(w.results)
	*w = work{commands: w.commands[:0], results: w.results[:0]}
	g.idle.Put(w)
}

// here sends commands on their caller's goroutine, if they are alone, on a connection that
// is theirs meanwhile.
func (g *gather) here(ctx context.Context, flights int, w *work) bool {
	limiters, ok := ctx.(*deadline.Context)
	if !ok || flights > 1 || !g.may() {
		return false
	}
	// A run may notice late that a limiter's context was cancelled, so the client need watch
	// only the deadline.
	w.send(limiters.Uncancelled())
	g.ended(w.heard())
	return true
}

// heard reports whether all commands got a reply, even an error reply.
func (w *work) heard() bool {
	for i := range w.results {
		if w.results[i].NonRedisError() != nil {
			return false
		}
	}
	return w.err == nil
}

// fly sends commands, of one caller or of several, on the connections that all share.
func (g *gather) fly(ctx context.Context, all []*work) {
	if g.known {
		for _, w := range all {
			for i := range w.commands {
				w.commands[i] = w.commands[i].ToPipe()
			}
		}
	}
	if len(all) == 1 {
		all[0].send(ctx)
		return
	}
	together := work{client: all[0].client}
	for _, w := range all {
		w.err = errNotRun
		together.commands = append(together.commands, w.commands...)
	}
	defer func() { // even if the client ends the goroutine
		rest := together.results
		for _, w := range all {
			if w.err = together.err; w.err == nil {
				w.results = append(w.results, rest[:len(w.commands)]...)
				rest = rest[len(w.commands):]
			}
		}
	}()
	together.send(ctx)
}

// send sends the commands of w, and waits for their results.
func (w *work) send(ctx context.Context) {
	w.err = errNotRun
	// A client panics on an error reply that begins like a redirection but is none, such as
	// "ASK".
	defer func() {
		if p := recover(); p != nil {
			w.err = fmt.Errorf("%s: %w", name, panicked(p))
		}
	}()
	switch len(w.commands) {
	case 0:
	case 1:
		w.results = append(w.results, w.client.Do(ctx, w.commands[0]))
	default:
		w.results = append(w.results, w.client.DoMulti(ctx, w.commands...)...)
	}
	if len(w.results) == len(w.commands) {
		w.err = nil
	}
}
