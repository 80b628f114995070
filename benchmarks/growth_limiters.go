package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
)

// growLimiters measures increasing numbers of limiters in one process, on one Store. The
// total number of identities stays the same, and they are divided among the limiters, so
// that only the number of limiters grows.
func (l *lab) growLimiters(ctx context.Context, g *growth, numbers []int) (*growth, error) {
	g.intro = fmt.Sprintf("Limiters in one process, on one Store, each with a namespace of its own; %d callers, "+
		"each of whose calls goes to any of the limiters. %s identities, each belonging to one limiter, all known to Redis.",
		growthCallers, count(int64(l.keys)))
	var subjects []*subject
	return l.grow(ctx, g, numbers, func(p *point) error {
		subject, err := l.openLimiters(ctx, p.size)
		subjects = append(subjects, subject)
		return err
	}, func(point, round int) (sample, error) {
		return l.sampleGrowth(ctx, subjects[point], l.identities, round)
	})
}

// openLimiters returns a subject of n limiters whose identities all exist.
func (l *lab) openLimiters(ctx context.Context, n int) (*subject, error) {
	namespace := func(i int) string { return fmt.Sprintf("limiter-%d", i%n) }
	if err := l.fill(ctx, 0, l.keys, namespace); err != nil {
		return nil, err
	}
	limiters, store := make([]*ratelimit.Limiter, n), goredis.New(l.clients.goredis)
	for i := range limiters {
		var err error
		if limiters[i], err = newOurs(store, growing.limit, ratelimit.WithNamespace(namespace(i))); err != nil {
			return nil, err
		}
	}
	subject := l.spreadOver(limiters)
	return subject, growing.warmUp(ctx, warmSome, subject, 1, l.identities)
}

// spreadOver returns a subject that draws an identity and asks the one limiter that has
// it.
func (l *lab) spreadOver(limiters []*ratelimit.Limiter) *subject {
	var stream atomic.Uint64
	return &subject{caller: func() call {
		random := rand.New(rand.NewPCG(1, stream.Add(1)))
		return func(ctx context.Context, _ func() string) answer {
			i := random.IntN(len(l.identities))
			res, err := limiters[i%len(limiters)].Allow(ctx, l.identities[i])
			if err == nil && res.Degraded {
				err = errDegraded
			}
			return answerOf(res.Allowed, err)
		}
	}}
}
