package conformance

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// concurrentMutants are wrong where many run at once, or where a connection is
// lost, or where a Store is closed.
var concurrentMutants = []mutant{
	{
		name:   "MixesUpReplies",
		broken: "Beyond sixteen runs at a time, one gets the reply to another.",
		caught: "OwnReply",
		open: each(func() alter {
			var under atomic.Int64
			var mu sync.Mutex
			var slot []int64
			return func(ctx context.Context, c call) ([]int64, error) {
				crowded := under.Add(1) > 16
				defer under.Add(-1)
				reply, err := c.run(ctx)
				if err != nil || !crowded {
					return reply, err
				}
				mu.Lock()
				defer mu.Unlock()
				if reply, slot = slot, reply; reply == nil {
					reply = slot
				}
				return reply, nil
			}
		}),
	},
	{
		name:   "StepByStep",
		broken: "What a script reads is read beforehand, by a command of its own.",
		caught: "Atomic",
		open: always(func(ctx context.Context, c call) ([]int64, error) {
			const get = "redis.call('GET', KEYS[1])"
			source := c.script.Source()
			if !strings.Contains(source, get) {
				return c.run(ctx)
			}
			read := c
			read.script, read.args = store.NewScript("get", "return {tonumber("+get+" or -1)}"), nil
			value, err := read.run(ctx)
			if err != nil {
				return nil, err
			}
			c.script = store.NewScript(c.script.Name(), strings.ReplaceAll(source, get, "(tonumber(ARGV[#ARGV]) >= 0 and ARGV[#ARGV])"))
			c.args = append(append([]int64{}, c.args...), value...)
			return c.run(ctx)
		}),
	},
	{
		name:   "RunsAgainWhenLost",
		broken: "A run whose connection was lost is sent again.",
		caught: "LostReply",
		open: always(func(ctx context.Context, c call) ([]int64, error) {
			reply, err := c.run(ctx)
			if isLost(ctx, err) {
				return c.run(ctx)
			}
			return reply, err
		}),
	},
	{
		name:   "ClientRetries",
		broken: "The client sends again what has failed, up to three times: go-redis does by default.",
		caught: "LostReply",
		open: func(p parts) store.Store {
			return rawly(func(r *raw) { r.client = p.client(func(o *redis.Options) { o.MaxRetries = 3 }) })(p)
		},
	},
	{
		name:   "CallsLossTimeout",
		broken: "A lost connection is reported as the end of the context.",
		caught: "LostReply",
		open: withError(func(ctx context.Context, err error) ([]int64, error) {
			if isLost(ctx, err) {
				return nil, context.DeadlineExceeded
			}
			return nil, err
		}),
	},
	{
		name:   "GuessesReplies",
		broken: "For a reply that was lost it returns the one before.",
		caught: "LostReply",
		open: each(func() alter {
			var last atomic.Value
			return func(ctx context.Context, c call) ([]int64, error) {
				reply, err := c.run(ctx)
				if isLost(ctx, err) {
					return last.Load().([]int64), nil
				}
				if err == nil {
					last.Store(reply)
				}
				return reply, err
			}
		}),
	},
	{
		name:   "KeepsWorker",
		broken: "Each Store starts a goroutine that nothing ends.",
		caught: "NoGoroutineLeft",
		open: func(p parts) store.Store {
			go func() { <-p.end }()
			return p.good()
		},
	},
}
