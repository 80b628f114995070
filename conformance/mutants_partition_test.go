package conformance

import (
	"context"
	"math/rand/v2"
	"slices"

	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
)

// partitionMutants get wrong what a Store may be able to do beside Run.
var partitionMutants = []mutant{
	{
		name:   "PartitionsAtRandom",
		broken: "A key is in another partition each time.",
		caught: "Partitions",
		open: func(p parts) store.Store {
			return partitioned{p.good(), func(string) (uint64, bool) { return rand.Uint64(), true }}
		},
	},
	{
		name:   "PartitionsSome",
		broken: "Some keys are in a partition, others in none.",
		caught: "Partitions",
		open: func(p parts) store.Store {
			return partitioned{p.good(), func(key string) (uint64, bool) { return 0, len(key)%2 == 0 }}
		},
	},
	{
		name:   "RunAllTwice",
		broken: "RunAll does each run twice.",
		caught: "RunAll",
		open: piped(func(ctx context.Context, good *goredis.Store, s *store.Script, runs []store.Run) {
			good.RunAll(ctx, s, runs)
			good.RunAll(ctx, s, runs)
		}),
	},
	{
		name:   "RunAllSwapsReplies",
		broken: "RunAll gives the first run the reply of the last, and the other way round.",
		caught: "RunAll",
		open: piped(func(ctx context.Context, good *goredis.Store, s *store.Script, runs []store.Run) {
			good.RunAll(ctx, s, runs)
			last := len(runs) - 1
			runs[0].Reply, runs[last].Reply = runs[last].Reply, runs[0].Reply
		}),
	},
	{
		name:   "RunAllFailsForAll",
		broken: "An error of one run of RunAll is given to those after it too.",
		caught: "RunAll",
		open: piped(func(ctx context.Context, good *goredis.Store, s *store.Script, runs []store.Run) {
			good.RunAll(ctx, s, runs)
			for i := range runs[1:] {
				if runs[i].Err != nil {
					runs[i+1].Reply, runs[i+1].Err = nil, runs[i].Err
				}
			}
		}),
	},
	{
		name:   "RunAllTrustsTheCache",
		broken: "RunAll takes it that a server which has answered has the script.",
		caught: "RunAll",
		open: func(p parts) store.Store {
			client, good := p.client(), goredis.New(p.client())
			return pipelined{good, good, func(ctx context.Context, good *goredis.Store, s *store.Script, runs []store.Run) {
				known := client.ScriptExists(ctx, s.SHA1()).Val()
				if len(known) == 1 && known[0] {
					good.RunAll(ctx, s, runs)
					return
				}
				for i := range runs {
					runs[i].Reply, runs[i].Err = nil, &store.ServerError{Message: "NOSCRIPT No matching script."}
				}
			}}
		},
	},
	{
		name:   "RunAllIgnoresTheContext",
		broken: "RunAll runs although its context has ended.",
		caught: "RunAll",
		open: piped(func(ctx context.Context, good *goredis.Store, s *store.Script, runs []store.Run) {
			good.RunAll(context.WithoutCancel(ctx), s, runs)
		}),
	},
	{
		name:   "RunAllClobbersArgs",
		broken: "RunAll reverses the args of each run.",
		caught: "RunAll",
		open: piped(func(ctx context.Context, good *goredis.Store, s *store.Script, runs []store.Run) {
			good.RunAll(ctx, s, runs)
			for i := range runs {
				slices.Reverse(runs[i].Args)
			}
		}),
	},
}

// partitioned is a Store that says of itself that its keys are in partitions.
type partitioned struct {
	store.Store
	partition func(string) (uint64, bool)
}

func (p partitioned) Partition(key string) (uint64, bool) { return p.partition(key) }

// pipelined is a Store with a RunAll of its own.
type pipelined struct {
	store.Store
	good *goredis.Store
	all  func(context.Context, *goredis.Store, *store.Script, []store.Run)
}

func (p pipelined) RunAll(ctx context.Context, s *store.Script, runs []store.Run) {
	p.all(ctx, p.good, s, runs)
}

func piped(all func(context.Context, *goredis.Store, *store.Script, []store.Run)) func(parts) store.Store {
	return func(p parts) store.Store {
		good := goredis.New(p.client())
		return pipelined{good, good, all}
	}
}
