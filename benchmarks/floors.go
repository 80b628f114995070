package main

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
)

// The floors run an empty script on the identity's key, as one would a limiter's.
const (
	emptySource = "return 1"
	floorPrefix = "floor:"
	// floorDepth is how many commands a pipeline of a caller's own has.
	floorDepth = 64
)

func floorGoRedis() *contestant {
	return &contestant{name: "floor: empty script, go-redis", kind: floor, client: "go-redis",
		note: "`return 1` by EVALSHA, each caller by itself",
		open: func(c *clients, _ limit) (*subject, error) {
			digest, err := loadEmpty(c)
			if err != nil {
				return nil, err
			}
			return single(func(ctx context.Context, identity string) (bool, error) {
				n, err := c.goredis.EvalSha(ctx, digest, []string{floorPrefix + identity}).Int64()
				return n == 1, err
			}), nil
		}}
}

func floorPipeline() *contestant {
	return &contestant{name: "floor: empty script, go-redis pipelines of 64", kind: floor, client: "go-redis", pipeline: floorDepth,
		note: "the same in explicit pipelines, one for each 64 callers; latency is that of a pipeline",
		open: func(c *clients, _ limit) (*subject, error) {
			digest, err := loadEmpty(c)
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
					if n, err := command.(*redis.Cmd).Int64(); err != nil || n != 1 {
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
		note: "the same through rueidis, which pipelines callers by itself",
		open: func(c *clients, _ limit) (*subject, error) {
			digest, err := loadEmpty(c)
			if err != nil {
				return nil, err
			}
			return single(func(ctx context.Context, identity string) (bool, error) {
				n, err := c.rueidis.Do(ctx, evalsha(c.rueidis, digest, floorPrefix+identity)).AsInt64()
				return n == 1, err
			}), nil
		}}
}

func evalsha(c rueidis.Client, digest, key string) rueidis.Completed {
	return c.B().Evalsha().Sha1(digest).Numkeys(1).Key(key).Build()
}

// loadEmpty has Redis know the empty script, and returns its digest.
func loadEmpty(c *clients) (string, error) {
	digest, err := c.goredis.ScriptLoad(context.Background(), emptySource).Result()
	if err != nil {
		return "", fmt.Errorf("load the empty script: %w", err)
	}
	return digest, nil
}
