package main

import "context"

// kind is what part a contestant plays.
type kind int

const (
	ours  kind = iota // ratelimit as it comes
	alone             // ratelimit WithoutBatching
	rival
	local // a rival that decides in the process, so not for a fleet
	floor // decides nothing: what any way of asking Redis costs at least
)

// contestant is one way to decide, or to ask Redis at all.
type contestant struct {
	name   string
	kind   kind
	client string // "go-redis", "rueidis", or "" if it asks no Redis
	module string // path of the module that is measured, but for floors
	note   string // what a reader should know about it, or ""
	// pipeline is how many decisions one call makes. It is 1 but for a pipeline of
	// the caller's own, each call of which stands for so many callers.
	pipeline int
	// open prepares it for one limit. It returns when Redis has what it needs.
	open func(*clients, limit) (*subject, error)
	// warm opens what makes the same keys in less time, or is nil.
	warm func(*clients, limit) (*subject, error)
}

func (c *contestant) String() string { return c.name }

// decides reports whether it answers by the limit, so that answers can be wrong.
func (c *contestant) decides() bool { return c.kind != floor }

// keeps reports whether it keeps states, which are to exist before it is measured.
func (c *contestant) keeps() bool { return c.decides() || c.warm != nil }

// subject is a contestant that is ready to be asked.
type subject struct {
	// caller returns what one goroutine calls, over and over.
	caller func() call
	// release releases what was opened, but for the clients; it may be nil.
	release func()
}

func (s *subject) close() {
	if s != nil && s.release != nil {
		s.release()
	}
}

// call asks once, for identities that next returns, and returns what came of it.
type call func(ctx context.Context, next func() string) answer

// answer is what came of one call.
type answer struct {
	allowed, failed int64 // how many of the call's decisions
	err             error // the first failure's, or nil
}

// single makes a subject of a function that decides once, and that any number of
// goroutines may call.
func single(decide func(ctx context.Context, identity string) (allowed bool, err error)) *subject {
	ask := func(ctx context.Context, next func() string) answer {
		allowed, err := decide(ctx, next())
		return answerOf(allowed, err)
	}
	return &subject{caller: func() call { return ask }}
}

// answerOf returns the answer of one decision.
func answerOf(allowed bool, err error) answer {
	switch {
	case err != nil:
		return answer{failed: 1, err: err}
	case allowed:
		return answer{allowed: 1}
	}
	return answer{}
}

// The names that others refer to.
const (
	nameOurs         = "ratelimit on go-redis"
	nameOursRueidis  = "ratelimit on rueidis"
	nameReference    = "redis_rate"
	nameFloorGoRedis = "floor: empty script, go-redis"
	nameFloorRueidis = "floor: empty script, rueidis"
	nameLeastGoRedis = "floor: least script, go-redis"
	nameLeastRueidis = "floor: least script, rueidis"
)

// contestants returns all, in the report's order.
func contestants() []*contestant {
	all := []*contestant{
		ratelimitGoRedis(), ratelimitGoRedisAlone(), ratelimitRueidis(), ratelimitRueidisAlone(),
		redisRate(), redisRateAuto(), throttledGCRA(), ululeLimiter(), chiHTTPRate(), goLimiter(),
		floorGoRedis(), floorPipeline(), floorRueidis(), leastGoRedis(), leastRueidis(),
	}
	for _, c := range all {
		c.pipeline = max(c.pipeline, 1)
	}
	return all
}
