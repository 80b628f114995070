package conformance

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// memoryMutants use memory of the caller's as their own, or return memory that is not the
// caller's alone.
var memoryMutants = []mutant{
	{
		name:   "WipesArgs",
		broken: "Args are set to 0 once they are sent.",
		caught: "ArgsUnchanged",
		open:   afterRun(func(c call) { clear(c.args) }),
	},
	{
		name:   "SortsKeysAfterwards",
		broken: "Keys are sorted in place once they are sent.",
		caught: "ArgsUnchanged",
		open:   afterRun(func(c call) { slices.Sort(c.keys) }),
	},
	{
		name:   "AppendsToArgs",
		broken: "Something is appended to args, behind their end.",
		caught: "ArgsUnchanged",
		open:   afterRun(func(c call) { _ = append(c.args, 1) }),
	},
	{
		name:   "AppendsToKeys",
		broken: "Something is appended to keys, behind their end.",
		caught: "ArgsUnchanged",
		open:   afterRun(func(c call) { _ = append(c.keys, "mystore") }),
	},
	{
		name:   "SendsLate",
		broken: "A run that is given up while it waits for the connection is sent later, with what has become of its keys and args.",
		caught: "ArgsNotKept",
		open:   each(sendLate),
	},
	{
		name:   "RepliesWithArgs",
		broken: "A reply that equals args is returned in their memory.",
		caught: "ReplyOwned",
		open: always(func(ctx context.Context, c call) ([]int64, error) {
			reply, err := c.run(ctx)
			if err == nil && slices.Equal(reply, c.args) {
				return c.args, nil
			}
			return reply, err
		}),
	},
	{
		name:   "InternsReplies",
		broken: "Replies that are equal are one in memory.",
		caught: "ReplyOwned",
		open: each(func() alter {
			var known sync.Map
			return func(ctx context.Context, c call) ([]int64, error) {
				reply, err := c.run(ctx)
				if err != nil {
					return nil, err
				}
				one, _ := known.LoadOrStore(fmt.Sprint(reply), reply)
				return one.([]int64), nil
			}
		}),
	},
}

// afterRun opens Stores that call more at the end of each run.
func afterRun(more func(call)) func(parts) store.Store {
	return always(func(ctx context.Context, c call) ([]int64, error) {
		reply, err := c.run(ctx)
		more(c)
		return reply, err
	})
}

// sendLate has one connection, for which runs wait. A run that is given up while it waits is
// sent all the same, before the next one.
func sendLate() alter {
	connection := make(chan struct{}, 1)
	var mu sync.Mutex
	var queue []call
	return func(ctx context.Context, c call) ([]int64, error) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		select {
		case connection <- struct{}{}:
		case <-ctx.Done():
			mu.Lock()
			queue = append(queue, c)
			mu.Unlock()
			return nil, ctx.Err()
		}
		mu.Lock()
		due := queue
		queue = nil
		mu.Unlock()
		c.keys, c.args = slices.Clone(c.keys), slices.Clone(c.args)
		answered := make(chan answer, 1)
		go func() {
			for _, late := range due {
				_, _ = late.run(context.WithoutCancel(ctx))
			}
			reply, err := c.run(context.WithoutCancel(ctx))
			<-connection
			answered <- answer{reply, err}
		}()
		select {
		case a := <-answered:
			return a.reply, a.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
