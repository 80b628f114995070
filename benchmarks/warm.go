package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

const (
	warmers = 64
	// warmDraws is how many identities are drawn for warmSome.
	warmDraws = 1_000
)

// warmUpFor makes the keys of the scene. Then it calls the contestant's subject, so that
// it opens its connections and makes its scripts known. A contestant that keeps no states
// needs only the second part.
func (s *scene) warmUpFor(ctx context.Context, c *contestant, cl *clients, subject *subject, identities []string) error {
	if c.keeps() && s.warm == warmEach {
		warmer := subject
		if c.warm != nil {
			faster, err := c.warm(cl, s.limit)
			if err != nil {
				return err
			}
			defer faster.close()
			warmer = faster
		}
		if err := s.warmUp(ctx, warmEach, warmer, c.pipeline, identities); err != nil {
			return err
		}
	}
	return s.warmUp(ctx, warmSome, subject, c.pipeline, identities)
}

// warmUp asks subject for each identity, or for some. Failures are counted in the
// measurement, not here, but it is an error if everything fails.
func (s *scene) warmUp(ctx context.Context, how warming, subject *subject, pipeline int, identities []string) error {
	draw, asks := s.keys.draw(identities, 0, 0), warmDraws
	if how == warmEach {
		i := 0
		draw = func() string { i++; return identities[(i-1)%len(identities)] }
		asks = len(identities)
	}
	var mu sync.Mutex
	next := func() string {
		mu.Lock()
		defer mu.Unlock()
		return draw()
	}
	var left, failed atomic.Int64
	left.Store(int64(asks))
	var failure atomic.Value
	var done sync.WaitGroup
	for range max(1, warmers/pipeline) {
		call := subject.caller()
		done.Go(func() {
			for ctx.Err() == nil && left.Add(-int64(pipeline)) > -int64(pipeline) {
				if a := call(context.Background(), next); a.err != nil {
					failed.Add(a.failed)
					failure.Store(fmt.Errorf("warm up: %w", a.err))
				}
			}
		})
	}
	done.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if failed.Load() >= int64(asks) {
		return failure.Load().(error)
	}
	return nil
}
