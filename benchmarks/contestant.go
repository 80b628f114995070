package main

import "context"

// kind is the part that a contestant plays.
type kind int

const (
	ours  kind = iota // ratelimit with its defaults
	alone             // ratelimit WithoutBatching
	rival
	local // a rival that decides in the process, so not for a fleet
	floor // decides nothing: shows the least cost of a way to ask Redis
)

// contestant is one way to decide or, for a floor, to ask Redis at all.
type contestant struct {
	name   string
	kind   kind
	client string // "go-redis", "rueidis", or "" if it asks no Redis
	module string // path of the module that is measured; "" for floors
	note   string // what a reader should know about it, or ""
	// pipeline is how many decisions one call makes. It is 1 unless the caller makes
	// pipelines itself: one call then stands for that many callers.
	pipeline int
	// open prepares the contestant for a limit. When it returns, Redis has what it needs.
	open func(*clients, limit) (*subject, error)
	// warm opens a subject that makes the same keys faster, or is nil.
	warm func(*clients, limit) (*subject, error)
}

func (c *contestant) String() string { return c.name }

// decides reports whether the contestant's answers depend on the limit, so that they can
// be wrong.
func (c *contestant) decides() bool { return c.kind != floor }

// keeps reports whether the contestant keeps states, which must exist before it is
// measured.
func (c *contestant) keeps() bool { return c.decides() || c.warm != nil }

// subject is a contestant that is ready to be called.
type subject struct {
	// caller returns the function that one goroutine calls over and over.
	caller func() call
	// release releases what open has opened, except for the clients. It may be nil.
	release func()
}

func (s *subject) close() {
	if s != nil && s.release != nil {
		s.release()
	}
}

// call asks once, for identities that it takes from next, and returns the answer.
type call func(ctx context.Context, next func() string) answer

// answer is the answer to one call.
type answer struct {
	allowed, failed int64 // how many of the call's decisions
	err             error // the first failure's, or nil
}

// single returns a subject for a function that makes one decision. Any number of
// goroutines may call the function.
func single(decide func(ctx context.Context, identity string) (allowed bool, err error)) *subject {
	ask := func(ctx context.Context, next func() string) answer {
		allowed, err := decide(ctx, next())
		return answerOf(allowed, err)
	}
	return &subject{caller: func() call { return ask }}
}

// answerOf returns the answer for one decision.
func answerOf(allowed bool, err error) answer {
	switch {
	case err != nil:
		return answer{failed: 1, err: err}
	case allowed:
		return answer{allowed: 1}
	}
	return answer{}
}

// Names that other code refers to.
const (
	nameOurs         = "ratelimit on go-redis"
	nameOursRueidis  = "ratelimit on rueidis"
	nameReference    = "redis_rate"
	nameFloorGoRedis = "floor: empty script, go-redis"
	nameFloorRueidis = "floor: empty script, rueidis"
	nameLeastGoRedis = "floor: least script, go-redis"
	nameLeastRueidis = "floor: least script, rueidis"
)

// contestants returns all contestants in the order of the report.
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
