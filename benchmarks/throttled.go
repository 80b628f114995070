package main

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
	"github.com/throttled/throttled/v2"
	"github.com/throttled/throttled/v2/store/goredisstore.v9"
)

// throttledGCRA reads a key, decides in the process, and writes the key with
// compare-and-swap.
func throttledGCRA() *contestant {
	return &contestant{name: "throttled", kind: rival, client: "go-redis", module: "github.com/throttled/throttled/v2",
		note: "GCRA by compare-and-swap, up to ten tries; callers who meet on a key get errors",
		open: func(c *clients, l limit) (*subject, error) { return openThrottled(c.goredis, l) },
		warm: func(c *clients, l limit) (*subject, error) { return openThrottled(c.auto, l) }}
}

func openThrottled(client redis.UniversalClient, l limit) (*subject, error) {
	store, err := goredisstore.NewCtx(client, "throttled:")
	if err != nil {
		return nil, fmt.Errorf("make a store: %w", err)
	}
	quota := throttled.RateQuota{MaxRate: throttled.PerDuration(int(l.count), l.period), MaxBurst: int(l.count) - 1}
	limiter, err := throttled.NewGCRARateLimiterCtx(store, quota)
	if err != nil {
		return nil, fmt.Errorf("make a limiter: %w", err)
	}
	return single(func(ctx context.Context, identity string) (bool, error) {
		limited, _, err := limiter.RateLimitCtx(ctx, identity, 1)
		return !limited, err
	}), nil
}
