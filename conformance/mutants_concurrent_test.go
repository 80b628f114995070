package conformance

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
)

// concurrentMutants go wrong when there are many runs at once, when a connection is lost or
// cannot be made, or when a Store is closed.
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
		name:   "LosesErrorsInACrowd",
		broken: "Of more than four runs at a time, one that fails has no error.",
		caught: "OwnReply",
		open: each(func() alter {
			var under atomic.Int64
			return func(ctx context.Context, c call) ([]int64, error) {
				crowded := under.Add(1) > 4
				defer under.Add(-1)
				reply, err := c.run(ctx)
				if crowded && (isServer(err) || errors.Is(err, store.ErrReply)) {
					return nil, nil
				}
				return reply, err
			}
		}),
	},
	{
		name:   "FailsTogether",
		broken: "An error that the server replied with to one run is also given to one that is under way at the same time.",
		caught: "OwnReply",
		open: each(func() alter {
			last := make(chan error, 1)
			var under atomic.Int64
			return func(ctx context.Context, c call) ([]int64, error) {
				crowded := under.Add(1) > 1
				defer under.Add(-1)
				reply, err := c.run(ctx)
				switch {
				case crowded && isServer(err):
					select {
					case last <- err:
					default:
					}
				case crowded && err == nil:
					select {
					case err = <-last:
						return nil, err
					default:
					}
				}
				return reply, err
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
		name:   "CallsLossBadReply",
		broken: "A lost connection is reported as a reply that is no array of integers.",
		caught: "LostReply",
		open: withError(func(ctx context.Context, err error) ([]int64, error) {
			if isLost(ctx, err) {
				return nil, store.BadReply(err.Error())
			}
			return nil, err
		}),
	},
	{
		name:   "SendsAgainWhatItCouldNotWrite",
		broken: "A run whose command could not be written is sent again, although all of it may have arrived.",
		caught: "LostReply",
		open:   sendsAgain,
	},
	{
		name:   "WrapsDialTimeouts",
		broken: "The client's error is wrapped as it is, also that of a dial whose own time was up, which is context.DeadlineExceeded to errors.Is.",
		caught: "DialFails",
		open: withError(func(ctx context.Context, err error) ([]int64, error) {
			var network net.Error
			if isLost(ctx, err) && errors.As(err, &network) && network.Timeout() {
				return nil, fmt.Errorf("mystore: %w", context.DeadlineExceeded)
			}
			return nil, err
		}),
	},
	{
		name:   "ConnectsAtLeisure",
		broken: "It is prompt but for where it connects anew, which it does whatever the context says.",
		caught: "PromptDial",
		open: func(p parts) store.Store {
			client := p.client()
			var broken atomic.Bool
			return prompted{altered{goredis.New(client), func(ctx context.Context, c call) ([]int64, error) {
				if ctx.Err() == nil && broken.Load() {
					broken.Store(client.Ping(context.WithoutCancel(ctx)).Err() != nil)
				}
				reply, err := c.run(ctx)
				if isLost(ctx, err) {
					broken.Store(true)
				}
				return reply, err
			}}}
		},
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
		name:   "LeavesWaiters",
		broken: "A goroutine waits for ever for somebody to take the reply to a run that was given up.",
		caught: "NothingLeft",
		open: func(p parts) store.Store {
			return altered{p.good(), func(ctx context.Context, c call) ([]int64, error) {
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				c.keys, c.args = slices.Clone(c.keys), slices.Clone(c.args)
				answered := make(chan answer)
				go func() {
					reply, err := c.run(context.WithoutCancel(ctx))
					select {
					case answered <- answer{reply, err}:
					case <-p.end:
					}
				}()
				select {
				case a := <-answered:
					return a.reply, a.err
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}}
		},
	},
	{
		name:   "LeavesConnections",
		broken: "A connection on which a script failed is neither used again nor closed.",
		caught: "NothingLeft",
		open: func(p parts) store.Store {
			spare := p
			spare.TB = keptOpen{p.TB}
			return altered{p.good(), func(ctx context.Context, c call) ([]int64, error) {
				reply, err := c.run(ctx)
				if isServer(err) {
					_ = spare.client().Ping(ctx).Err()
				}
				return reply, err
			}}
		},
	},
	{
		name:   "KeepsWorker",
		broken: "Each Store starts a goroutine that nothing ends.",
		caught: "NothingLeft",
		open: func(p parts) store.Store {
			go func() { <-p.end }()
			return p.good()
		},
	},
}

// keptOpen is a TB that ignores Cleanup, so that what was opened stays open.
type keptOpen struct{ testing.TB }

func (keptOpen) Cleanup(func()) {}

// sendsAgain opens a Store that sends a run again if its command could not be written.
func sendsAgain(p parts) store.Store {
	dial, failed := p.dial, &atomic.Bool{}
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	p.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return writeNoted{conn, failed}, nil
	}
	return altered{p.good(), func(ctx context.Context, c call) ([]int64, error) {
		failed.Store(false)
		reply, err := c.run(ctx)
		if isLost(ctx, err) && failed.Load() {
			return c.run(ctx)
		}
		return reply, err
	}}
}

type writeNoted struct {
	net.Conn
	failed *atomic.Bool
}

func (c writeNoted) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err != nil {
		c.failed.Store(true)
	}
	return n, err
}
