package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
)

const (
	modulePath    = "github.com/distributed-rate-limiter/ratelimit"
	oursNamespace = "ours"
)

// oursTimeout is how long a decision of ours may take. It is as long as our rivals'
// clients allow, instead of our default of 250 ms, because a contestant that gives up
// earlier would be spared its slowest decisions.
const oursTimeout = 5 * time.Second

var errDegraded = errors.New("decided by the failure mode, not by Redis")

func ratelimitGoRedis() *contestant {
	return &contestant{name: nameOurs, kind: ours, client: "go-redis", module: modulePath,
		note: "token bucket; concurrent calls share round trips",
		open: func(c *clients, l limit) (*subject, error) { return openOurs(goredis.New(c.goredis), l) }}
}

func ratelimitGoRedisAlone() *contestant {
	return &contestant{name: nameOurs + ", WithoutBatching", kind: alone, client: "go-redis", module: modulePath,
		note: "token bucket; each call is a run of its own; runs share pipelines",
		warm: ratelimitGoRedis().open,
		open: func(c *clients, l limit) (*subject, error) {
			return openOurs(goredis.New(c.goredis), l, ratelimit.WithoutBatching())
		}}
}

func ratelimitRueidis() *contestant {
	return &contestant{name: nameOursRueidis, kind: ours, client: "rueidis", module: modulePath,
		note: "the same on another client",
		open: func(c *clients, l limit) (*subject, error) { return openOurs(c.opened, l) }}
}

func ratelimitRueidisAlone() *contestant {
	return &contestant{name: nameOursRueidis + ", WithoutBatching", kind: alone, client: "rueidis", module: modulePath,
		note: "the same on another client",
		warm: ratelimitRueidis().open,
		open: func(c *clients, l limit) (*subject, error) {
			return openOurs(c.opened, l, ratelimit.WithoutBatching())
		}}
}

func openOurs(s store.Store, l limit, options ...ratelimit.Option) (*subject, error) {
	limiter, err := newOurs(s, l, options...)
	if err != nil {
		return nil, err
	}
	return single(decideOurs(limiter)), nil
}

// newOurs returns a limiter with the timeout and the limit of the benchmarks.
func newOurs(s store.Store, l limit, options ...ratelimit.Option) (*ratelimit.Limiter, error) {
	options = append([]ratelimit.Option{ratelimit.WithNamespace(oursNamespace), ratelimit.WithTimeout(oursTimeout)}, options...)
	limiter, err := ratelimit.New(s, tokenbucket.Limit{Rate: l.count, Period: l.period}, options...)
	if err != nil {
		return nil, fmt.Errorf("make a limiter: %w", err)
	}
	return limiter, nil
}

// decideOurs returns Allow as a function, in which a decision that Redis did not make is
// an error.
func decideOurs(limiter *ratelimit.Limiter) func(context.Context, string) (bool, error) {
	return func(ctx context.Context, identity string) (bool, error) {
		res, err := limiter.Allow(ctx, identity)
		if err == nil && res.Degraded {
			err = errDegraded
		}
		return res.Allowed, err
	}
}
