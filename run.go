package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/distributed-rate-limiter/ratelimit/internal/deadline"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// run runs a script. It returns by ctx's deadline, whatever the store does. A store that is
// not prompt may go on using keys and args after that; one that is prompt may notice only at
// the deadline that ctx was cancelled.
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

// sendAll executes runs together: it is RunAll or RunAcross of a store, or stands in for
// them.
type sendAll func(ctx context.Context, s *store.Script, runs []store.Run)

// pipeline calls the store's RunAll, or callEach if the store has none.
func (l *Limiter) pipeline(ctx context.Context, s *store.Script, runs []store.Run) {
	if p, ok := l.store.(store.Pipelined); ok {
		p.RunAll(ctx, s, runs)
		return
	}
	l.callEach(ctx, s, runs)
}

// runAll executes runs by send. It returns by ctx's deadline, as run does. If it returns an
// error, the store may still be using runs, so nobody else may touch them.
func (l *Limiter) runAll(ctx *deadline.Context, send sendAll, s *store.Script, runs []store.Run) error {
	if err := l.turns.enter(ctx); err != nil {
		return err
	}
	if l.prompt {
		defer l.turns.leave()
		return l.callAll(ctx, send, s, runs)
	}
	done := make(chan error, 1)
	go func() {
		defer l.turns.leave()
		done <- l.callAll(ctx, send, s, runs)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return late(ctx.Err())
	}
}

// callEach does what RunAll would, for a store that has none: up to 8 runs at a time.
func (l *Limiter) callEach(ctx context.Context, s *store.Script, runs []store.Run) {
	const workers = 8
	var wg sync.WaitGroup
	for w := range min(workers, len(runs)) {
		wg.Go(func() {
			for i := w; i < len(runs); i += workers {
				r := &runs[i]
				r.Reply, r.Err = l.call(ctx, s, r.Keys, r.Args)
			}
		})
	}
	wg.Wait()
}

// call calls the store. If the store panics, the run has failed, and no more: on a goroutine
// of the limiter's own, the panic would end the process.
func (l *Limiter) call(ctx context.Context, s *store.Script, keys []string, args []int64) (reply []int64, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	return l.store.Run(ctx, s, keys, args)
}

// callAll calls send, as call calls the store.
func (l *Limiter) callAll(ctx context.Context, send sendAll, s *store.Script, runs []store.Run) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	send(ctx, s, runs)
	return nil
}

// errPanicked is the error of a run in which the store panicked.
var errPanicked = errors.New("ratelimit: the store panicked")

func panicked(p any) error { return fmt.Errorf("%w with a %T", errPanicked, p) }
