package ratelimit

import (
	"context"
	"errors"
	"fmt"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// ErrOverloaded reports to observers that a decision got no turn within its
// time: as many runs as a limiter may have in flight were waiting for Redis.
var ErrOverloaded = errors.New("ratelimit: too many runs in flight")

// run runs a script on one key. It returns by ctx's deadline and within the
// limiter's timeout, whatever the store does. That ctx was cancelled may be
// noticed only then if the store is prompt.
func (l *Limiter) run(ctx context.Context, s *store.Script, key string, args []int64) ([]int64, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	select {
	case l.lanes <- struct{}{}:
	default:
		select {
		case l.lanes <- struct{}{}:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrOverloaded, ctx.Err())
		}
	}
	if l.prompt {
		defer l.leave()
		return l.ask(ctx, s, key, args)
	}
	// The run may outlast this call; it keeps its lane until it is over.
	type answer struct {
		reply []int64
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		defer l.leave()
		reply, err := l.ask(ctx, s, key, args)
		answers <- answer{reply, err}
	}()
	select {
	case a := <-answers:
		return a.reply, a.err
	case <-ctx.Done():
		return nil, fmt.Errorf("ratelimit: no answer in time: %w", ctx.Err())
	}
}

// ask calls the store. A store that panics has failed, no more: on a goroutine
// of the limiter's it would end the process.
func (l *Limiter) ask(ctx context.Context, s *store.Script, key string, args []int64) (reply []int64, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("ratelimit: the store panicked with a %T", p)
		}
	}()
	return l.store.Run(ctx, s, []string{key}, args)
}

func (l *Limiter) leave() { <-l.lanes }
