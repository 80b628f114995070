package main

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"

	store "github.com/distributed-rate-limiter/ratelimit/store/rueidis"
)

// clients are the clients of the contestants. All contestants on go-redis share one client
// of one configuration. On rueidis, ratelimit has a client of its own, because it can do
// more with a client that nobody else uses.
type clients struct {
	goredis *redis.Client
	auto    *redis.AutoPipeliner // on the same client
	rueidis rueidis.Client
	opened  *store.Store
}

// newClients connects to the Redis at addr. Both clients have their default settings, with
// two exceptions. go-redis keeps the deadlines of contexts, as ratelimit's documents ask
// for; no rival gives it any deadline. rueidis does not look for a cluster, and keeps no
// cache, which Redis 5 does not support.
func newClients(ctx context.Context, addr string, pool int) (*clients, error) {
	c := &clients{goredis: redis.NewClient(&redis.Options{Addr: addr, PoolSize: pool, ContextTimeoutEnabled: true})}
	if err := c.goredis.Ping(ctx).Err(); err != nil {
		c.close()
		return nil, fmt.Errorf("connect to Redis at %s with go-redis: %w", addr, err)
	}
	var err error
	if c.auto, err = c.goredis.AutoPipeline(); err != nil {
		c.close()
		return nil, fmt.Errorf("make an AutoPipeline of go-redis: %w", err)
	}
	if c.rueidis, err = rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}, ForceSingleClient: true, DisableCache: true}); err != nil {
		c.rueidis = nil
		c.close()
		return nil, fmt.Errorf("connect to Redis at %s with rueidis: %w", addr, err)
	}
	if c.opened, err = store.Open("redis://" + addr); err != nil {
		c.close()
		return nil, fmt.Errorf("open ratelimit's Store on rueidis at %s: %w", addr, err)
	}
	return c, nil
}

func (c *clients) close() {
	if c.auto != nil {
		_ = c.auto.Close()
	}
	_ = c.goredis.Close()
	if c.rueidis != nil {
		c.rueidis.Close()
	}
	_ = c.opened.Close()
}
