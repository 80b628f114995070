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

// gather has commands end with their contexts, whatever the client does; and those that
// come while some are in flight go to the server together, by DoMulti.
type gather struct {
	flights.Flights[*work]
	idle sync.Pool // of *work
	alone
}

// work is commands of one Run or RunAll, and what came of them. It serves one Run after
// another, so that they allocate nothing of it.
type work struct {
	client   client.Client
	commands []client.Completed
	results  []client.RedisResult
	err      error // instead of results
	words    int
}

// panicked has no name before it: see failure.
func panicked(p any) error { return fmt.Errorf("the client panicked: %v", p) }

var errNotRun = errors.New("rueidis: the client did not run the command")

// newGather returns the one of a client to which commands of several callers go apart or
// together, and of which it is known or not that nobody else uses it.
func newGather(apart, known bool) *gather {
	g := &gather{alone: alone{known: known, made: time.Now()}}
	g.Here, g.Fly, g.Apart = g.here, g.fly, apart
	return g
}

// apart reports whether commands of several callers are to go apart. They may go together
// only by a client that is known to send each of several commands once, to one server. (One
// that follows a server's redirections by itself, Standalone.EnableRedirect, sends all of
// them again if one is refused. And hooks, which are clients too, should see each command
// under its caller's context.)
func apart(c client.Client) bool {
	t := reflect.TypeOf(c)
	if t.Kind() != reflect.Pointer || t.Elem().PkgPath() != "github.com/redis/rueidis" {
		return true
	}
	return t.Elem().Name() != "singleClient" && t.Elem().Name() != "sentinelClient"
}

// begin returns work to which commands are to be added.
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

// do has the commands of w sent. An error is that of all of them, and w is then not the
// caller's any more; otherwise the caller has to put w back.
func (g *gather) do(ctx context.Context, w *work) error {
	if !g.Do(ctx, w, w.words) {
		err := driver.Wrap(ctx, name, ctx.Err())
		if limiters, ok := ctx.(*deadline.Context); ok {
			limiters.End() // for the client, which has been given Watched
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

// put lets work be used again, unless it has several commands: rueidis writes these from
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

// here has commands sent by their caller's goroutine, if they are alone, on a connection
// that is theirs meanwhile.
func (g *gather) here(ctx context.Context, flights int, w *work) bool {
	limiters, ok := ctx.(*deadline.Context)
	if !ok || flights > 1 || !g.may() {
		return false
	}
	// A limiter's context may be told late that it was cancelled, so its deadline is all
	// that the client is to see to.
	w.send(limiters.Uncancelled())
	g.ended(w.heard())
	return true
}

// heard reports whether all commands got a reply, be it an error.
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
	defer func() { // also if the client ends the goroutine
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

// send sends commands.
func (w *work) send(ctx context.Context) {
	w.err = errNotRun
	// A client panics on error replies that begin like a redirection but are none: "ASK"
	// is one.
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
