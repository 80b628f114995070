package main

import (
	"context"
	"fmt"

	"github.com/ulule/limiter/v3"
	"github.com/ulule/limiter/v3/drivers/store/redis"
)

// ululeLimiter counts in fixed windows.
func ululeLimiter() *contestant {
	return &contestant{name: "ulule/limiter", kind: rival, client: "go-redis", module: "github.com/ulule/limiter/v3",
		note: "a fixed window in one script: up to twice the limit around the turn of a window; denied calls are charged too",
		open: func(c *clients, l limit) (*subject, error) { return openUlule(c.goredis, l) },
		warm: func(c *clients, l limit) (*subject, error) { return openUlule(c.auto, l) }}
}

func openUlule(client redis.Client, l limit) (*subject, error) {
	store, err := redis.NewStoreWithOptions(client, limiter.StoreOptions{Prefix: "ulule"})
	if err != nil {
		return nil, fmt.Errorf("make a store: %w", err)
	}
	limiter := limiter.New(store, limiter.Rate{Limit: l.count, Period: l.period})
	return single(func(ctx context.Context, identity string) (bool, error) {
		res, err := limiter.Get(ctx, identity)
		return !res.Reached, err
	}), nil
}
