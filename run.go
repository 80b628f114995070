package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/distributed-rate-limiter/ratelimit/internal/deadline"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// run runs a script. It returns by ctx's deadline, whatever the store does; if
// that is not prompt, it may go on with keys and args. That ctx was cancelled
// may be noticed only by the deadline if the store is prompt.
func (l *Limiter) run(ctx *deadline.Context, s *store.Script, keys []string, args []int64) ([]int64, error) {
	if err := l.turns.enter(ctx); err != nil {
		return nil, err
	}
	if l.prompt {
		defer l.turns.leave()
		return l.call(ctx, s, keys, args)
	}
	// The run may outlast this call; it keeps its turn until it is over.
	type answer struct {
		reply []int64
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		defer l.turns.leave()
		reply, err := l.call(ctx, s, keys, args)
		answers <- answer{reply, err}
	}()
	select {
	case a := <-answers:
		return a.reply, a.err
	case <-ctx.Done():
		return nil, late(ctx.Err())
	}
}

// all does runs, all at once.
type all func(ctx context.Context, s *store.Script, runs []store.Run)

// pipeline is the store's RunAll, or as good as it.
func (l *Limiter) pipeline(ctx context.Context, s *store.Script, runs []store.Run) {
	if p, ok := l.store.(store.Pipelined); ok {
		p.RunAll(ctx, s, runs)
		return
	}
	l.callEach(ctx, s, runs)
}

// runAll has all of runs done. If it returns an error they are not to be touched any
// more: the store may go on with them.
func (l *Limiter) runAll(ctx *deadline.Context, all all, s *store.Script, runs []store.Run) error {
	if err := l.turns.enter(ctx); err != nil {
		return err
	}
	if l.prompt {
		defer l.turns.leave()
		return l.callAll(ctx, all, s, runs)
	}
	done := make(chan error, 1)
	go func() {
		defer l.turns.leave()
		done <- l.callAll(ctx, all, s, runs)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return late(ctx.Err())
	}
}

// callEach is RunAll for a store that has none: some at a time.
func (l *Limiter) callEach(ctx context.Context, s *store.Script, runs []store.Run) {
	const workers = 8
	var all sync.WaitGroup
	for w := range min(workers, len(runs)) {
		all.Go(func() {
			for i := w; i < len(runs); i += workers {
				r := &runs[i]
				r.Reply, r.Err = l.call(ctx, s, r.Keys, r.Args)
			}
		})
	}
	all.Wait()
}

// call calls the store. A store that panics has failed, no more: on a goroutine
// of the limiter's it would end the process.
func (l *Limiter) call(ctx context.Context, s *store.Script, keys []string, args []int64) (reply []int64, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	return l.store.Run(ctx, s, keys, args)
}

func (l *Limiter) callAll(ctx context.Context, all all, s *store.Script, runs []store.Run) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	all(ctx, s, runs)
	return nil
}

// errPanicked is what a run failed with whose store panicked.
var errPanicked = errors.New("ratelimit: the store panicked")

func panicked(p any) error { return fmt.Errorf("%w with a %T", errPanicked, p) }
