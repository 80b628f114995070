package goredis

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/distributed-rate-limiter/ratelimit/internal/flights"
)

// gather sends commands that come while some are in flight to the server together, in a
// pipeline.
type gather struct {
	client *redis.Client
	flights.Flights[*call]
}

// newGather returns nil for a client of several servers, because one that hangs would hold
// up commands to the others.
func newGather(client Client) *gather {
	one, ok := client.(*redis.Client)
	if !ok {
		return nil
	}
	g := &gather{client: one}
	g.Here, g.Fly = g.one, g.several
	return g
}

// process does what the client's Process does. If the command goes with others, process
// returns by the end of ctx at the latest; the client may then still have the command, or
// get it in the next moments.
func (g *gather) process(ctx context.Context, c *call) error {
	if !g.Do(ctx, c, len(c.cmd.Args())) {
		return ctx.Err()
	}
	return c.err
}

// one sends a command by itself, on its caller's goroutine.
func (g *gather) one(ctx context.Context, _ int, c *call) bool {
	c.err = g.client.Process(ctx, c.cmd)
	return true
}

// several sends commands and notes their errors, even if a hook of the client panics or ends
// the goroutine.
func (g *gather) several(ctx context.Context, all []*call) {
	defer func() {
		if p := recover(); p != nil {
			for _, c := range all {
				c.err = fmt.Errorf("the client panicked: %v", p)
			}
		}
	}()
	if len(all) == 1 {
		all[0].err = errNotRun
		all[0].err = g.client.Process(ctx, all[0].cmd)
		return
	}
	pipeline := g.client.Pipeline()
	for _, c := range all {
		c.err = errNotRun
		_ = pipeline.Process(ctx, c.cmd)
	}
	cmds, err := pipeline.Exec(ctx)
	err = refusal(cmds, err)
	for _, c := range all {
		c.err = c.failure(c.cmd, err)
	}
}
