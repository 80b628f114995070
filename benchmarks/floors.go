package main

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// The floors run a script on the identity's key, as a limiter would: an empty script, or
// the least script that an exact limiter could make do with. The least script reads the
// state and the clock, adds to the state, and returns the answer.
const (
	emptySource = "return 1"
	leastSource = "local state, clock = redis.call('GET', KEYS[1]), redis.call('TIME') " +
		"redis.call('INCRBY', KEYS[1], 1) " +
		"return {clock[1] * 1000000 + clock[2], 0, 1, 2}"
	floorPrefix = "floor:"
	// floorDepth is how many commands a caller's own pipeline has.
	floorDepth = 64
)

func floorGoRedis() *contestant {
	return &contestant{name: nameFloorGoRedis, kind: floor, client: "go-redis",
		note: "`return 1` by EVALSHA, each caller by itself", open: onGoRedis(emptySource)}
}

func floorPipeline() *contestant {
	return &contestant{name: "floor: empty script, go-redis pipelines of 64", kind: floor, client: "go-redis", pipeline: floorDepth,
		note: "the same in explicit pipelines, one for each 64 callers; latency is that of a pipeline",
		open: func(c *clients, _ limit) (*subject, error) {
			digest, err := know(c, emptySource)
			if err != nil {
				return nil, err
			}
			ask := func(ctx context.Context, next func() string) (a answer) {
				commands, err := c.goredis.Pipelined(ctx, func(p redis.Pipeliner) error {
					for range floorDepth {
						p.EvalSha(ctx, digest, []string{floorPrefix + next()})
					}
					return nil
				})
				a.err = err
				for _, command := range commands {
					if command.Err() != nil {
						a.failed++
					} else {
						a.allowed++
					}
				}
				return a
			}
			return &subject{caller: func() call { return ask }}, nil
		}}
}

func floorRueidis() *contestant {
	return &contestant{name: nameFloorRueidis, kind: floor, client: "rueidis",
		note: "the same through rueidis, which pipelines callers by itself", open: onRueidis(emptySource)}
}

func leastGoRedis() *contestant {
	return &contestant{name: nameLeastGoRedis, kind: floor, client: "go-redis",
		note: "`GET`, `TIME` and `INCRBY` in a script, and a reply of four numbers: the least that an exact limiter needs, and nothing else",
		warm: onRueidis(leastSource), open: onGoRedis(leastSource)}
}

func leastRueidis() *contestant {
	return &contestant{name: nameLeastRueidis, kind: floor, client: "rueidis",
		note: "the same through rueidis", warm: onRueidis(leastSource), open: onRueidis(leastSource)}
}

// onGoRedis returns a function that opens a subject. The subject runs a script through
// go-redis, once for each call.
func onGoRedis(source string) func(*clients, limit) (*subject, error) {
	return func(c *clients, _ limit) (*subject, error) {
		digest, err := know(c, source)
		if err != nil {
			return nil, err
		}
		return single(func(ctx context.Context, identity string) (bool, error) {
			err := c.goredis.EvalSha(ctx, digest, []string{floorPrefix + identity}).Err()
			return err == nil, err
		}), nil
	}
}

// onRueidis is like onGoRedis, but through rueidis.
func onRueidis(source string) func(*clients, limit) (*subject, error) {
	return func(c *clients, _ limit) (*subject, error) {
		digest, err := know(c, source)
		if err != nil {
			return nil, err
		}
		return single(func(ctx context.Context, identity string) (bool, error) {
			run := c.rueidis.B().Evalsha().Sha1(digest).Numkeys(1).Key(floorPrefix + identity).Build()
			err := c.rueidis.Do(ctx, run).Error()
			return err == nil, err
		}), nil
	}
}

// know makes a script known to Redis, and returns its digest.
func know(c *clients, source string) (string, error) {
	digest, err := c.goredis.ScriptLoad(context.Background(), source).Result()
	if err != nil {
		return "", fmt.Errorf("load the script %q: %w", source, err)
	}
	return digest, nil
}
