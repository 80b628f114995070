package conformance

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
)

// runMutants get Run itself wrong: its script, args or reply, or the state that Stores share.
var runMutants = []mutant{
	{
		name:   "RunsTwice",
		broken: "Each run is sent twice.",
		caught: "Once",
		open: always(func(ctx context.Context, c call) ([]int64, error) {
			_, _ = c.run(ctx)
			return c.run(ctx)
		}),
	},
	{
		name:   "RepliesLate",
		broken: "Each run returns the reply to the one before.",
		caught: "Once",
		open: each(func() alter {
			var mu sync.Mutex
			last := []int64{0}
			return func(ctx context.Context, c call) ([]int64, error) {
				reply, err := c.run(ctx)
				if err != nil {
					return nil, err
				}
				mu.Lock()
				defer mu.Unlock()
				reply, last = last, reply
				return reply, nil
			}
		}),
	},
	{
		name:   "DropsTheLastInteger",
		broken: "The last integer of a reply is lost.",
		caught: "Once",
		open:   withReply(func(reply []int64) []int64 { return reply[:max(0, len(reply)-1)] }),
	},
	{
		name:   "TrustsTheCache",
		broken: "Scripts are run by EVALSHA alone, on a server that need not have them.",
		caught: "Once",
		open: rawly(func(r *raw) {
			r.run = func(ctx context.Context, r raw, s *store.Script, keys []string, args []int64) ([]int64, error) {
				return r.do(ctx, "EVALSHA", s.SHA1(), keys, args)
			}
		}),
	},
	{
		name:   "SixDigits",
		broken: "Args are printed with six significant digits.",
		caught: "RoundTrip",
		open:   rawly(func(r *raw) { r.encode = func(n int64) any { return fmt.Sprintf("%g", float32(n)) } }),
	},
	{
		name:   "ArgsAsFloats",
		broken: "Args are sent with a decimal point.",
		caught: "RoundTrip",
		open:   rawly(func(r *raw) { r.encode = func(n int64) any { return strconv.FormatFloat(float64(n), 'f', 1, 64) } }),
	},
	{
		name:   "Args32",
		broken: "Args are cut to 32 bits.",
		caught: "RoundTrip",
		open:   rawly(func(r *raw) { r.encode = func(n int64) any { return int32(n) } }),
	},
	{
		name:   "ArgsUnsigned",
		broken: "Args are sent as if they had no sign.",
		caught: "RoundTrip",
		open:   rawly(func(r *raw) { r.encode = func(n int64) any { return uint64(n) } }),
	},
	{
		name:   "FirstThousandArgs",
		broken: "Args beyond the first thousand are dropped.",
		caught: "RoundTrip",
		open: always(func(ctx context.Context, c call) ([]int64, error) {
			c.args = c.args[:min(len(c.args), 1000)]
			return c.run(ctx)
		}),
	},
	{
		name:   "OmitsZeros",
		broken: "Args that are 0 are left out.",
		caught: "RoundTrip",
		open: always(func(ctx context.Context, c call) ([]int64, error) {
			c.args = slices.DeleteFunc(slices.Clone(c.args), func(n int64) bool { return n == 0 })
			return c.run(ctx)
		}),
	},
	{
		name:   "SortsArgs",
		broken: "Args are sorted, in place, before they are sent.",
		caught: "RoundTrip",
		open: always(func(ctx context.Context, c call) ([]int64, error) {
			slices.Sort(c.args)
			return c.run(ctx)
		}),
	},
	{
		name:   "ReversesReplies",
		broken: "Replies come back to front.",
		caught: "RoundTrip",
		open:   withReply(func(reply []int64) []int64 { slices.Reverse(reply); return reply }),
	},
	{
		name:   "SortsReplies",
		broken: "Replies are sorted.",
		caught: "RoundTrip",
		open:   withReply(func(reply []int64) []int64 { slices.Sort(reply); return reply }),
	},
	{
		name:   "CutsLongReplies",
		broken: "Replies are cut at 4096 integers.",
		caught: "RoundTrip",
		open:   withReply(func(reply []int64) []int64 { return reply[:min(len(reply), 4096)] }),
	},
	{
		name:   "DatabaseEach",
		broken: "Each Store has a database of its own on the server.",
		caught: "SharedState",
		open:   openDatabase,
	},
	{
		name:   "RedisEach",
		broken: "Each Store has a Redis of its own.",
		caught: "SharedState",
		open: func(p parts) store.Store {
			r, err := embedded.Start()
			if err != nil {
				p.Fatal(err)
			}
			p.Cleanup(func() { _ = r.Close() })
			return r
		},
	},
	{
		name:   "GoesByName",
		broken: "Scripts of one name are taken for one script.",
		caught: "Uncached",
		open: each(func() alter {
			var known sync.Map
			return func(ctx context.Context, c call) ([]int64, error) {
				first, _ := known.LoadOrStore(c.script.Name(), c.script)
				c.script = first.(*store.Script)
				return c.run(ctx)
			}
		}),
	},
	{
		name:   "CutsScripts",
		broken: "Scripts are cut at 64 KiB.",
		caught: "Uncached",
		open: always(func(ctx context.Context, c call) ([]int64, error) {
			if source := c.script.Source(); len(source) > 1<<16 {
				c.script = store.NewScript(c.script.Name(), source[:1<<16])
			}
			return c.run(ctx)
		}),
	},
	{
		name:   "TakesSentForLoaded",
		broken: "A script that another caller is just sending is taken for one that the server has.",
		caught: "Uncached",
		open:   rawly(func(r *raw) { r.run = evalFirst(true) }),
	},
	{
		name:   "Coalesces",
		broken: "Callers who ask for the same at the same time share one run.",
		caught: "Uncached",
		open:   each(coalesce),
	},
	{
		name:   "TakesLoadedForEver",
		broken: "A script that was sent once is run by EVALSHA alone from then on.",
		caught: "Flushed",
		open:   rawly(func(r *raw) { r.run = evalFirst(false) }),
	},
	{
		name:   "LoadsThenRuns",
		broken: "A script that the server lacks is loaded, and then run by EVALSHA, once.",
		caught: "Flushed",
		open: rawly(func(r *raw) {
			r.run = func(ctx context.Context, r raw, s *store.Script, keys []string, args []int64) ([]int64, error) {
				reply, err := r.do(ctx, "EVALSHA", s.SHA1(), keys, args)
				if isServer(err) && r.client.ScriptLoad(ctx, s.Source()).Err() == nil {
					return r.do(ctx, "EVALSHA", s.SHA1(), keys, args)
				}
				return reply, err
			}
		}),
	},
}

// evalFirst runs a script by EVAL until one EVAL was answered, and then by EVALSHA. If early,
// it uses EVALSHA as soon as any caller is about to send the EVAL, which takes a while.
func evalFirst(early bool) func(context.Context, raw, *store.Script, []string, []int64) ([]int64, error) {
	var sent sync.Map
	return func(ctx context.Context, r raw, s *store.Script, keys []string, args []int64) ([]int64, error) {
		if _, known := sent.Load(s.SHA1()); known {
			return r.do(ctx, "EVALSHA", s.SHA1(), keys, args)
		}
		if early {
			sent.Store(s.SHA1(), true)
			time.Sleep(20 * time.Millisecond)
		}
		reply, err := r.do(ctx, "EVAL", s.Source(), keys, args)
		sent.Store(s.SHA1(), true)
		return reply, err
	}
}

// coalesce makes a caller wait a moment for others with the same request, and gives all of
// them the reply to one run.
func coalesce() alter {
	type shared struct {
		done  chan struct{}
		reply []int64
		err   error
	}
	var mu sync.Mutex
	under := map[string]*shared{}
	return func(ctx context.Context, c call) ([]int64, error) {
		same := fmt.Sprint(c.script.SHA1(), c.keys, c.args)
		mu.Lock()
		if s, ok := under[same]; ok {
			mu.Unlock()
			<-s.done
			return slices.Clone(s.reply), s.err
		}
		s := &shared{done: make(chan struct{})}
		under[same] = s
		mu.Unlock()
		time.Sleep(5 * time.Millisecond)
		mu.Lock()
		delete(under, same)
		mu.Unlock()
		s.reply, s.err = c.run(ctx)
		close(s.done)
		return slices.Clone(s.reply), s.err
	}
}

// databases counts the Stores of openDatabase.
var databases atomic.Int64

// openDatabase opens a Store on the next of the 16 databases that a server has by default.
func openDatabase(p parts) store.Store {
	db := int(databases.Add(1) % 16)
	return rawly(func(r *raw) { r.client = p.client(func(o *redis.Options) { o.DB = db }) })(p)
}
