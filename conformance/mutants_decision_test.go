package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// decisionMutants are Stores whose faults only the checks of an algorithm reveal.
var decisionMutants = []mutant{
	{
		name:   "DatabaseForEachReplica",
		broken: "Each Store has a database of its own, so that each admits a whole limit.",
		caught: "Exact",
		limits: tokenBuckets,
		open:   openDatabase,
	},
	{
		name:   "StaleSnapshot",
		broken: "The state is read by a command of its own, before the decision.",
		caught: "Exact",
		limits: tokenBuckets,
		open:   always(staleSnapshot),
	},
	{
		name:   "SwapsReplies",
		broken: "Two callers who ask about one key at the same time get each other's reply.",
		caught: "Linearizable",
		limits: tokenBuckets,
		open:   each(swapReplies),
	},
	{
		name:   "LooksFromMemory",
		broken: "While others ask, a look is answered from a cache that is up to 10 ms old.",
		caught: "Linearizable",
		limits: tokenBuckets,
		open: each(func() alter {
			return remember(10*time.Millisecond, func(c call, _ []int64) bool { return asked(c) == 0 })
		}),
	},
	{
		name:   "RemembersDenials",
		broken: "While others ask, what was denied is denied from memory for 10 ms.",
		caught: "Linearizable",
		limits: tokenBuckets,
		open: each(func() alter {
			return remember(10*time.Millisecond, func(_ call, reply []int64) bool { return reply[1] != 0 })
		}),
	},
}

// decides reports whether c decides for one key, under one limit, by the server's clock.
func decides(c call) bool {
	return len(c.keys) == 1 && strings.Contains(c.script.Source(), "-- The harness for one limit") &&
		strings.Contains(c.script.Source(), "redis.call('TIME')")
}

// asked returns the n of the last decision of c.
func asked(c call) int64 { return c.args[len(c.args)-2] }

// staleSnapshot reads the state in a run of its own, and then passes it to the script as a
// second key, for the script to decide by.
func staleSnapshot(ctx context.Context, c call) ([]int64, error) {
	const get = "texts = redis.pcall('GET', KEYS[1])"
	if !decides(c) {
		return c.run(ctx)
	}
	peek := c
	peek.script, peek.args = peekScript, nil
	text, err := peek.run(ctx)
	if err != nil {
		return nil, err
	}
	c.script = store.NewScript(c.script.Name(),
		"local stale = KEYS[2]\nKEYS[2] = nil\n"+strings.Replace(c.script.Source(), get, "texts = stale ~= '' and stale", 1))
	c.keys = append(slices.Clone(c.keys), toText(text[1:]))
	return c.run(ctx)
}

// swapReplies makes a caller who is not alone wait a moment for another caller with the same
// key, and exchanges their replies.
func swapReplies() alter {
	var mu sync.Mutex
	waiting := map[string]chan []int64{}
	var under atomic.Int64
	return func(ctx context.Context, c call) ([]int64, error) {
		crowded := under.Add(1) > 1
		defer under.Add(-1)
		reply, err := c.run(ctx)
		if err != nil || !crowded || !decides(c) {
			return reply, err
		}
		key := c.keys[0]
		mu.Lock()
		if other, ok := waiting[key]; ok {
			delete(waiting, key)
			mu.Unlock()
			theirs := <-other
			other <- reply
			return theirs, nil
		}
		mine := make(chan []int64)
		waiting[key] = mine
		mu.Unlock()
		select {
		case mine <- reply:
			return <-mine, nil
		case <-time.After(2 * time.Millisecond):
		}
		mu.Lock()
		if waiting[key] == mine {
			delete(waiting, key)
			mu.Unlock()
			return reply, nil
		}
		mu.Unlock()
		mine <- reply
		return <-mine, nil
	}
}

// remember keeps each reply for which may returns true, for span. For that time it answers the
// same request from memory, while other runs are under way.
func remember(span time.Duration, may func(c call, reply []int64) bool) alter {
	type memory struct {
		reply []int64
		until time.Time
	}
	var mu sync.Mutex
	known := map[string]memory{}
	var under atomic.Int64
	return func(ctx context.Context, c call) ([]int64, error) {
		crowded := under.Add(1) > 1
		defer under.Add(-1)
		if !crowded || !decides(c) {
			return c.run(ctx)
		}
		what := fmt.Sprint(c.keys[0], " ", asked(c))
		mu.Lock()
		m, ok := known[what]
		mu.Unlock()
		if ok && time.Now().Before(m.until) {
			return slices.Clone(m.reply), nil
		}
		reply, err := c.run(ctx)
		if err == nil && may(c, reply) {
			mu.Lock()
			known[what] = memory{slices.Clone(reply), time.Now().Add(span)}
			mu.Unlock()
		}
		return reply, err
	}
}
