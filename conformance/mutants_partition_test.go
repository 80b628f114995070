package conformance

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
	"github.com/distributed-rate-limiter/ratelimit/internal/hashslot"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
)

// partitionMutants get Partitioned or Pipelined wrong, two optional abilities of a Store.
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
		name:   "TakesTheLastBraces",
		broken: "Of a key with several pairs of braces, the last is taken for its hash tag.",
		caught: "Partitions",
		open: func(p parts) store.Store {
			return partitioned{ofCluster(p.good()), func(key string) (uint64, bool) {
				if i := strings.LastIndexByte(key, '{'); i >= 0 {
					key = key[i:]
				}
				return hashslot.Partition(key), true
			}}
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
			failOn(runs)
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
		name:   "RunAllTakesAnyReply",
		broken: "A run of RunAll whose reply is no array of integers has none, and no error.",
		caught: "RunAll",
		open: piped(func(ctx context.Context, good *goredis.Store, s *store.Script, runs []store.Run) {
			good.RunAll(ctx, s, runs)
			for i := range runs {
				if errors.Is(runs[i].Err, store.ErrReply) {
					runs[i].Err = nil
				}
			}
		}),
	},
	{
		name:   "RunAllNeedsRuns",
		broken: "RunAll of no runs panics.",
		caught: "RunAll",
		open: piped(func(ctx context.Context, good *goredis.Store, s *store.Script, runs []store.Run) {
			_ = runs[0].Keys
			good.RunAll(ctx, s, runs)
		}),
	},
	{
		name:   "RunAllAgainForAll",
		broken: "If the server lacks the script for one run of RunAll, all are run again.",
		caught: "RunAllApart",
		open: func(p parts) store.Store {
			own := rawly(func(*raw) {})(p).(raw)
			return piped(func(ctx context.Context, good *goredis.Store, s *store.Script, runs []store.Run) {
				lacks := false
				for i := range runs {
					if runs[i].Reply, runs[i].Err = nil, ctx.Err(); runs[i].Err == nil {
						runs[i].Reply, runs[i].Err = own.do(ctx, "EVALSHA", s.SHA1(), runs[i].Keys, runs[i].Args)
					}
					lacks = lacks || driver.NoScript(runs[i].Err)
				}
				if lacks {
					good.RunAll(ctx, s, runs)
				}
			})(p)
		},
	},
	{
		name:   "RunAllMakesUpTimeouts",
		broken: "The runs of a RunAll that is given up have the client's timeout for an error instead of the context's.",
		caught: "RunAllEnds",
		open: piped(func(ctx context.Context, good *goredis.Store, s *store.Script, runs []store.Run) {
			ended := ctx.Err() != nil
			good.RunAll(ctx, s, runs)
			for i := range runs {
				if !ended && errors.Is(runs[i].Err, context.DeadlineExceeded) {
					runs[i].Err = errors.New("mystore: i/o timeout")
				}
			}
		}),
	},
	{
		name:   "RunAllIsNotPrompt",
		broken: "It promises to be prompt, and RunAll waits for the replies all the same.",
		caught: "RunAllEnds",
		open: func(p parts) store.Store {
			good := goredis.New(p.client())
			return struct {
				prompted
				store.Pipelined
			}{prompted{altered{good, func(ctx context.Context, c call) ([]int64, error) { return c.run(ctx) }}}, pipelined{good, good,
				func(ctx context.Context, good *goredis.Store, s *store.Script, runs []store.Run) {
					if ctx.Err() == nil {
						ctx = context.WithoutCancel(ctx)
					}
					good.RunAll(ctx, s, runs)
				}}}
		},
	},
	{
		name:   "RunAllAgainWhenLost",
		broken: "Runs of RunAll whose connection was lost are sent again.",
		caught: "RunAllLost",
		open: piped(func(ctx context.Context, good *goredis.Store, s *store.Script, runs []store.Run) {
			good.RunAll(ctx, s, runs)
			for i := range runs {
				if isLost(ctx, runs[i].Err) {
					runs[i].Reply, runs[i].Err = good.Run(ctx, s, runs[i].Keys, runs[i].Args)
				}
			}
		}),
	},
	{
		name:   "RunAllClobbersArgs",
		broken: "RunAll reverses the args of each run.",
		caught: "RunAll",
		open: piped(func(ctx context.Context, good *goredis.Store, s *store.Script, runs []store.Run) {
			good.RunAll(ctx, s, runs)
			reverseArgs(runs)
		}),
	},
}

// acrossMutants get Spanning wrong: runs on keys of several partitions.
var acrossMutants = []mutant{
	{
		name:   "AcrossDeclaresKeys",
		broken: "RunAcross gives the keys as KEYS too.",
		caught: "RunAcross",
		open: spanned(func(ctx context.Context, good *goredis.Store, s *store.Script, runs []store.Run) {
			source := "for i = 1, tonumber(ARGV[1]) do KEYS[i] = ARGV[i + 1] end\n" + s.Source()
			good.RunAcross(ctx, store.NewScript(s.Name(), source), runs)
		}),
	},
	{
		name:   "AcrossLosesTheLastKey",
		broken: "RunAcross runs on all keys but the last.",
		caught: "RunAcross",
		open: spanned(func(ctx context.Context, good *goredis.Store, s *store.Script, runs []store.Run) {
			fewer := slices.Clone(runs)
			for i := range fewer {
				fewer[i].Keys = fewer[i].Keys[:max(1, len(fewer[i].Keys)-1)]
			}
			good.RunAcross(ctx, s, fewer)
			for i := range runs {
				runs[i].Reply, runs[i].Err = fewer[i].Reply, fewer[i].Err
			}
		}),
	},
	{
		name:   "AcrossTwice",
		broken: "RunAcross does each run twice.",
		caught: "RunAcross",
		open: spanned(func(ctx context.Context, good *goredis.Store, s *store.Script, runs []store.Run) {
			good.RunAcross(ctx, s, runs)
			good.RunAcross(ctx, s, runs)
		}),
	},
	{
		name:   "AcrossFailsForAll",
		broken: "An error of one run of RunAcross is given to those after it too.",
		caught: "RunAcross",
		open: spanned(func(ctx context.Context, good *goredis.Store, s *store.Script, runs []store.Run) {
			good.RunAcross(ctx, s, runs)
			failOn(runs)
		}),
	},
	{
		name:   "AcrossIgnoresTheContext",
		broken: "RunAcross runs although its context has ended.",
		caught: "RunAcross",
		open: spanned(func(ctx context.Context, good *goredis.Store, s *store.Script, runs []store.Run) {
			good.RunAcross(context.WithoutCancel(ctx), s, runs)
		}),
	},
	{
		name:   "AcrossClobbersArgs",
		broken: "RunAcross reverses the args of each run.",
		caught: "RunAcross",
		open: spanned(func(ctx context.Context, good *goredis.Store, s *store.Script, runs []store.Run) {
			good.RunAcross(ctx, s, runs)
			reverseArgs(runs)
		}),
	},
}

// ofCluster returns a Store that refuses keys of several hash slots, as a Cluster does.
func ofCluster(good store.Store) store.Store {
	return altered{good, func(ctx context.Context, c call) ([]int64, error) {
		for _, key := range c.keys {
			if hashslot.Partition(key) != hashslot.Partition(c.keys[0]) {
				return nil, &store.ServerError{Message: "CROSSSLOT Keys in request don't hash to the same slot"}
			}
		}
		return c.run(ctx)
	}}
}

// failOn gives the error of a run to all runs after it.
func failOn(runs []store.Run) {
	for i := range runs[1:] {
		if runs[i].Err != nil {
			runs[i+1].Reply, runs[i+1].Err = nil, runs[i].Err
		}
	}
}

func reverseArgs(runs []store.Run) {
	for i := range runs {
		slices.Reverse(runs[i].Args)
	}
}

// spanning is a Store on one server, which it treats as a node of a Cluster.
type spanning struct {
	partitioned
	good *goredis.Store
	all  func(context.Context, *goredis.Store, *store.Script, []store.Run)
}

func (s spanning) Server(uint64) (uint64, bool) { return 7, true }

func (s spanning) RunAcross(ctx context.Context, script *store.Script, runs []store.Run) {
	s.all(ctx, s.good, script, runs)
}

func spanned(all func(context.Context, *goredis.Store, *store.Script, []store.Run)) func(parts) store.Store {
	return func(p parts) store.Store {
		good := goredis.New(p.client())
		slot := func(key string) (uint64, bool) { return hashslot.Partition(key), true }
		return spanning{partitioned{good, slot}, good, all}
	}
}

// partitioned is a Store with a Partition of its own.
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
