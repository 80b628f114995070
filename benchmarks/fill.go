package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
)

const (
	fillers   = 4
	fillDepth = 1_000

	fillDecisions = 2
)

// fill creates the identities from first up to, but not including, end. Each is in its
// namespace, and has the state that two decisions leave. The second decision gives a key a
// new time to live, for the last time in a while. Without it, a measurement with many
// identities would measure second decisions, and one with few identities those after them.
// fill writes copies of what a limiter has written for one identity, which is many times
// faster than making all the decisions.
func (l *lab) fill(ctx context.Context, first, end int, namespace func(int) string) error {
	limiter, err := newOurs(goredis.New(l.clients.goredis), growing.limit, ratelimit.WithNamespace(namespace(first)))
	if err != nil {
		return err
	}
	for range fillDecisions {
		if _, err := decideOurs(limiter)(ctx, identity(first)); err != nil {
			return fmt.Errorf("fill: %w", err)
		}
	}
	model := keyOf(namespace(first), identity(first))
	state, err := l.clients.goredis.Get(ctx, model).Result()
	if err != nil {
		return fmt.Errorf("fill: read what the limiter wrote as %s: %w", model, err)
	}
	ttl, err := l.clients.goredis.PTTL(ctx, model).Result()
	if err != nil {
		return fmt.Errorf("fill: read the time to live of %s: %w", model, err)
	}
	if err := l.copies(ctx, first, end, namespace, state, ttl); err != nil {
		return fmt.Errorf("fill: %w", err)
	}

	if err := l.lookUp(ctx, end, namespace); err != nil {
		return fmt.Errorf("fill: %w", err)
	}

	// Check that the last copy is the state that decisions would have left.
	limiter, err = newOurs(goredis.New(l.clients.goredis), growing.limit, ratelimit.WithNamespace(namespace(end-1)))
	if err != nil {
		return err
	}
	res, err := limiter.Peek(ctx, identity(end-1))
	if err == nil && (res.Degraded || res.Remaining != growing.limit.count-fillDecisions) {
		err = fmt.Errorf("a copied state is not that of an identity that took its units: %+v", res)
	}
	if err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	return nil
}

// lookUp looks up every identity before end, and returns an error if one is missing. While
// Redis enlarges a table, each look-up moves a part of it, so that this work is done
// before anything is measured.
func (l *lab) lookUp(ctx context.Context, end int, namespace func(int) string) error {
	keys := make([]string, 0, fillDepth)
	for from := 0; from < end; from += fillDepth {
		keys = keys[:0]
		for i := from; i < min(from+fillDepth, end); i++ {
			keys = append(keys, keyOf(namespace(i), identity(i)))
		}
		n, err := l.clients.goredis.Exists(ctx, keys...).Result()
		if err != nil {
			return fmt.Errorf("look up %d keys: %w", len(keys), err)
		}
		if int(n) != len(keys) {
			return fmt.Errorf("look up %d keys: Redis has %d", len(keys), n)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// copies writes state for all identities except the first.
func (l *lab) copies(ctx context.Context, first, end int, namespace func(int) string, state string, ttl time.Duration) error {
	errs := make([]error, fillers)
	var done sync.WaitGroup
	for f := range fillers {
		done.Go(func() {
			for from := first + 1 + f*fillDepth; from < end && errs[f] == nil; from += fillers * fillDepth {
				_, errs[f] = l.clients.goredis.Pipelined(ctx, func(p redis.Pipeliner) error {
					for i := from; i < min(from+fillDepth, end); i++ {
						p.Set(ctx, keyOf(namespace(i), identity(i)), state, ttl)
					}
					return nil
				})
				if errs[f] == nil {
					errs[f] = ctx.Err()
				}
			}
		})
	}
	done.Wait()
	return errors.Join(errs...)
}

// keyOf returns the key of an identity, as ratelimit documents it.
func keyOf(namespace, identity string) string {
	hash := sha256.Sum256([]byte(identity))
	return namespace + ":token_bucket:" + hex.EncodeToString(hash[:])
}
