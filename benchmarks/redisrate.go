package main

import (
	"context"

	"github.com/go-redis/redis_rate/v10"
)

const redisRateModule = "github.com/go-redis/redis_rate/v10"

// redisRate is the contestant that others are compared with. It is the best known of its
// kind and, like ours, runs one script for each decision.
func redisRate() *contestant {
	return &contestant{name: nameReference, kind: rival, client: "go-redis", module: redisRateModule,
		note: "GCRA in one script; throughput is compared with it",
		warm: redisRateAuto().open,
		open: func(c *clients, l limit) (*subject, error) {
			return single(decideRedisRate(redis_rate.NewLimiter(c.goredis), l)), nil
		}}
}

// redisRateAuto is redis_rate at its best: go-redis puts its commands into shared
// pipelines, of which redis_rate knows nothing.
func redisRateAuto() *contestant {
	return &contestant{name: "redis_rate on AutoPipeline", kind: rival, client: "go-redis", module: redisRateModule,
		note: "the same on the AutoPipeline of the same client, which go-redis calls experimental",
		open: func(c *clients, l limit) (*subject, error) {
			return single(decideRedisRate(redis_rate.NewLimiter(c.auto), l)), nil
		}}
}

func decideRedisRate(limiter *redis_rate.Limiter, l limit) func(context.Context, string) (bool, error) {
	limit := redis_rate.Limit{Rate: int(l.count), Burst: int(l.count), Period: l.period}
	return func(ctx context.Context, identity string) (bool, error) {
		res, err := limiter.Allow(ctx, identity, limit)
		if err != nil {
			return false, err
		}
		return res.Allowed > 0, nil
	}
}
