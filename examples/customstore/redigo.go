// Package customstore is a [store.Store] on redigo: an example of how to write
// one for a Redis client that this module has no driver for.
package customstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// Store runs scripts on the connections of a redigo pool. It is safe for concurrent use. It is
// not [store.Prompt]: the pool decides whether a dial ends with its context, and a TLS
// handshake of redigo's does not.
type Store struct{ pool *redis.Pool }

// New returns a Store on pool. The caller sets it up, with a DialContext, and closes it.
func New(pool *redis.Pool) *Store { return &Store{pool} }

// Run implements [store.Store].
func (s *Store) Run(ctx context.Context, script *store.Script, keys []string, args []int64) ([]int64, error) {
	conn, err := s.pool.GetContext(ctx)
	if err != nil {
		return nil, failure(ctx, err)
	}
	defer conn.Close() // gives it back to the pool, or closes it if it has failed
	argv := redis.Args{script.SHA1(), len(keys)}.AddFlat(keys).AddFlat(args)
	reply, err := do(ctx, conn, "EVALSHA", argv)
	if server, ok := errors.AsType[*store.ServerError](err); ok && server.Prefix() == "NOSCRIPT" {
		argv[0] = script.Source()
		return do(ctx, conn, "EVAL", argv)
	}
	return reply, err
}

// do sends one command, once, and returns the integers of its reply.
func do(ctx context.Context, conn redis.Conn, command string, argv redis.Args) ([]int64, error) {
	if err := ctx.Err(); err != nil { // redigo may send the command even then
		return nil, failure(ctx, err)
	}
	reply, err := redis.DoContext(conn, ctx, command, argv...)
	if err != nil {
		return nil, failure(ctx, err)
	}
	values, ok := reply.([]any) // not redis.Int64s, which takes the text "1" for an integer
	if !ok {
		return nil, store.BadReply(reply)
	}
	ints := make([]int64, len(values))
	for i, value := range values {
		if ints[i], ok = value.(int64); !ok {
			return nil, store.BadReply(value)
		}
	}
	return ints, nil
}

// failure returns redigo's error err in the form that rule 5 of store.Store requires.
func failure(ctx context.Context, err error) error {
	if reply, ok := errors.AsType[redis.Error](err); ok { // %.0w wraps it without repeating its text
		return fmt.Errorf("customstore: %w%.0w", &store.ServerError{Message: string(reply)}, reply)
	}
	ended := ctx.Err()
	if deadline, ok := ctx.Deadline(); ok && ended == nil && !time.Now().Before(deadline) {
		ended = context.DeadlineExceeded // the socket's deadline came a moment before the context's
	}
	switch {
	case ended != nil && !errors.Is(err, ended):
		return fmt.Errorf("customstore: %w: %w", ended, err)
	case ended == nil && errors.Is(err, context.DeadlineExceeded): // the dialer's own, not ctx's
		return fmt.Errorf("customstore: %w: %v", os.ErrDeadlineExceeded, err)
	}
	return fmt.Errorf("customstore: %w", err)
}
