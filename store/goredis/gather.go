package goredis

import (
	"container/list"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/distributed-rate-limiter/ratelimit/internal/deadline"
)

// gather has commands that come while some are in flight go to the server together,
// in a pipeline. One by one, each costs two system calls here and two in Redis, which
// is more than all the rest of a run. A limiter's own calls are batched already: it is
// for many limiters on one Store, and for those that do not batch.
type gather struct {
	client *redis.Client

	mu      sync.Mutex
	flying  int       // how many commands, or pipelines of them, are in flight
	moved   time.Time // when one of them landed last, or one more began because of slow
	waiting list.List // of *member, in the order in which they came
}

const (
	// maxFlying is how many are in flight before others wait. So many runs a limiter
	// has itself, so those of one that is alone never wait here.
	maxFlying = 4
	// slow is how long none has landed, when one more may begin beside them: those whose
	// connections hang are not to hold up others. What bounds them all is the pool.
	slow = 5 * time.Millisecond
	// maxSize is how many words the commands of a pipeline have, but for the last one:
	// some seventy lone decisions go together, and the batches of a few limiters.
	maxSize = 768
)

// newGather returns nil for a client of several servers: who hangs there would hold up
// commands to the others.
func newGather(client Client) *gather {
	one, ok := client.(*redis.Client)
	if !ok {
		return nil
	}
	return &gather{client: one}
}

// member is a command that waits, or is in a pipeline.
type member struct {
	call *call
	cmd  redis.Cmder
	at   time.Time // its deadline; zero if it has none
	done chan struct{}
	err  error // of the command, once done is closed
}

// process does what the client's Process does. It returns by the end of ctx if the
// command goes with others: the client may still have it then, or get it in the next
// moments.
func (g *gather) process(ctx context.Context, c *call, cmd redis.Cmder) error {
	place := g.join(ctx, c, cmd)
	if place == nil {
		defer g.land()
		return g.client.Process(ctx, cmd)
	}
	m := place.Value.(*member)
	passed, cancelled := deadline.Ending(ctx)
	select {
	case <-m.done:
		return m.err
	case <-passed:
	case <-cancelled:
	}
	g.leave(place)
	select {
	case <-m.done: // at the last moment
		return m.err
	default:
		return ctx.Err()
	}
}

// join has a command wait, or returns nil: then its caller sends it, and calls land.
func (g *gather) join(ctx context.Context, c *call, cmd redis.Cmder) *list.Element {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.flying < maxFlying {
		g.flying++
		return nil
	}
	at, _ := ctx.Deadline()
	place := g.waiting.PushBack(&member{call: c, cmd: cmd, at: at, done: make(chan struct{}), err: errNotRun})
	if now := time.Now(); now.Sub(g.moved) > slow {
		g.moved = now
		g.begin()
	}
	return place
}

// leave has a command not sent any more, if it has not been yet.
func (g *gather) leave(place *list.Element) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting.Remove(place) // which it may have been before
}

// land ends a flight. If some wait, the next one begins.
func (g *gather) land() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.flying--
	g.moved = time.Now()
	if g.waiting.Len() > 0 {
		g.begin()
	}
}

// begin begins a flight of those that wait. It is called with mu held.
func (g *gather) begin() {
	var all []*member
	for size := 0; size < maxSize && g.waiting.Len() > 0; {
		m := g.waiting.Remove(g.waiting.Front()).(*member)
		all, size = append(all, m), size+len(m.cmd.Args())
	}
	g.flying++
	go func() {
		defer g.land()
		g.run(all)
	}()
}

// run sends commands, and tells those who wait.
func (g *gather) run(all []*member) {
	defer func() { // also if a hook of the client's panics, or ends the goroutine
		p := recover()
		for _, m := range all {
			if p != nil {
				m.err = fmt.Errorf("goredis: the client panicked: %v", p)
			}
			close(m.done)
		}
	}()
	ctx, cancel := last(all)
	defer cancel()
	pipeline := g.client.Pipeline()
	for _, m := range all {
		_ = pipeline.Process(ctx, m.cmd)
	}
	cmds, err := pipeline.Exec(ctx)
	err = refusal(cmds, err)
	for _, m := range all {
		m.err = m.call.failure(m.cmd, err)
	}
}

// last returns a context that ends when the last deadline of all has passed.
func last(all []*member) (context.Context, context.CancelFunc) {
	at := all[0].at
	for _, m := range all {
		if m.at.IsZero() {
			return context.WithCancel(context.Background())
		}
		if m.at.After(at) {
			at = m.at
		}
	}
	return context.WithDeadline(context.Background(), at)
}
