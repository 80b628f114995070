// Package goredis is the driver for go-redis, github.com/redis/go-redis/v9.
//
// [New] takes a client you have; [Open] makes one with the settings that suit a rate
// limiter.
package goredis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/distributed-rate-limiter/ratelimit/internal/deadline"
	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
	"github.com/distributed-rate-limiter/ratelimit/internal/flights"
	"github.com/distributed-rate-limiter/ratelimit/internal/wire"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// Client is what the driver needs of a go-redis client. *redis.Client, *redis.ClusterClient,
// *redis.Ring, redis.UniversalClient and *redis.AutoPipeliner have it. A redis.Pipeliner has
// it too, but will not do, because it does not run the commands that it is given.
type Client interface {
	Process(ctx context.Context, cmd redis.Cmder) error
}

// Store runs scripts through a go-redis client. It is safe for concurrent use.
type Store struct {
	client Client
	gather *gather      // nil if the client has more than one server
	close  func() error // nil if the client is the caller's
	prompt bool
	text   string // what Format shows
	// secrets are the passwords in Open's URL and options.
	secrets driver.Secrets
	warmer  *driver.Warmer
	layout  *driver.Layout // nil unless the client is known to be for a Cluster
}

var _ store.Store = (*Store)(nil)

// name begins the package's errors.
const name = "goredis"

var (
	errNoClient = errors.New("goredis: the store has no client (it was made of nil)")
	errNoScript = errors.New("goredis: the script is nil")
	// errNotRun does not begin with the package's name: failure adds it.
	errNotRun = errors.New("the client did not run the command (is it a redis.Pipeliner, or a Ring of which a shard refuses connections?)")
)

// New returns a Store that runs on client. The caller still owns the client, and must set it
// up and close it. Set ContextTimeoutEnabled: see [Store.Prompt].
//
// Whatever the client's MaxRetries and MaxRedirects say, a run whose outcome is unknown is
// never sent again.
//
// A *redis.Client has one server. Runs that come while four are in flight go to it together,
// in the next pipeline. So limiters that share a Store share round trips. Such pipelines use
// the connections that the client keeps for pipelines (PipelinePoolSize), and hooks of the
// client see them with a context that is not any caller's. Do not use a Store inside and
// outside a testing/synctest bubble at the same time.
//
// New(nil) is nil. Run of a nil Store returns an error.
func New(client Client) *Store {
	if driver.IsNil(client) {
		return nil
	}
	return &Store{
		client: client,
		gather: newGather(client),
		prompt: prompt(client),
		text:   fmt.Sprintf("%T", client),
		warmer: &driver.Warmer{},
		layout: newLayout(client),
	}
}

// Close closes the client if [Open] made it; closing it again does nothing. Close does not
// close a client that was given to [New].
func (s *Store) Close() error {
	if s == nil || s.close == nil {
		return nil
	}
	s.warmer.Close()
	s.layout.Close()
	// The client may be closing some connection itself, and then closes it twice.
	if err := s.close(); err != nil && !errors.Is(err, redis.ErrClosed) && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("goredis: close: %w", err)
	}
	return nil
}

// String names the Redis, or the type of the client. It never shows a password.
func (s Store) String() string { return "goredis.Store(" + s.text + ")" }

// Format implements fmt.Formatter, so that no verb shows the client, whose options contain
// the password.
func (s Store) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// Run implements [store.Store].
func (s *Store) Run(ctx context.Context, script *store.Script, keys []string, args []int64) ([]int64, error) {
	switch {
	case s == nil || s.client == nil:
		return nil, errNoClient
	case script == nil:
		return nil, errNoScript
	}
	if err := ctx.Err(); err != nil {
		return nil, driver.Wrap(ctx, name, err)
	}
	return s.run(s.shared(ctx), script, keys, args, false)
}

// run runs script: by EVALSHA, and by EVAL if the server does not have it.
func (s *Store) run(ctx context.Context, script *store.Script, keys []string, args []int64, across bool) ([]int64, error) {
	reply, err := s.do(ctx, evalsha, script.SHA1(), keys, args, across)
	if err != nil && driver.NoScript(err) {
		return s.do(ctx, eval, script.Source(), keys, args, across)
	}
	return reply, err
}

// shared returns a context like ctx whose Done costs less, because a go-redis client asks
// for Done in every run.
func (s *Store) shared(ctx context.Context) context.Context {
	if limiters, ok := ctx.(*deadline.Context); ok && s.prompt {
		return limiters.Shared()
	}
	return ctx
}

// do sends one command and decodes its reply.
func (s *Store) do(ctx context.Context, verb any, script string, keys []string, args []int64, across bool) ([]int64, error) {
	var since time.Time
	for {
		call := &call{}
		call.cmd = call.command(ctx, verb, script, keys, args, across)
		err := s.process(ctx, call)
		if err == nil {
			err = call.cmd.Err() // Err waits for the command if the client is an AsyncAutoPipeline
		}
		switch {
		case err == nil:
			return call.reply.integers()
		case notSent(ctx, &since, err):
			continue
		}
		err = s.failure(ctx, err)
		s.learn(ctx, err)
		s.warm(keys, err)
		return nil, err
	}
}

// closedTime is how long a run looks for a connection that the server has not closed,
// after it has met the first closed one.
const closedTime = time.Second

// notSent reports whether err says that the server had closed the connection before anything
// was written to it. The command may then be sent again. A run meets each such connection
// once, because the client drops it. since is when the run met the first one, and is set by
// notSent.
//
// go-redis itself notices a closed connection and takes another, but not over TLS.
func notSent(ctx context.Context, since *time.Time, err error) bool {
	if !errors.Is(err, wire.ErrClosed) || ctx.Err() != nil {
		return false
	}
	if since.IsZero() {
		*since = time.Now()
	}
	return time.Since(*since) <= closedTime
}

func (s *Store) process(ctx context.Context, c *call) error {
	if s.gather == nil {
		return s.client.Process(ctx, c.cmd)
	}
	return s.gather.process(ctx, c)
}

// learn makes a cluster client look for the nodes again, in the background, after an error
// that is not a reply: the node may be gone. By itself, the client would do so only after a
// redirection, or after a while.
func (s *Store) learn(ctx context.Context, err error) {
	cluster, ok := s.client.(interface{ ReloadState(context.Context) })
	if !ok || errors.Is(err, store.ErrReply) || errors.Is(err, redis.ErrClosed) {
		return
	}
	if _, replied := errors.AsType[*store.ServerError](err); !replied {
		cluster.ReloadState(ctx)
	}
}

// maxWarm is how many idle connections are enough for runs that have no time to make one:
// for the flights of one server, and some that begin beside slow ones.
const maxWarm = 4 * flights.Few

// warm makes a connection in the background, to the server that has keys, if err says that a
// run on them ran out of time.
func (s *Store) warm(keys []string, err error) {
	keys = slices.Clone(keys[:min(1, len(keys))])
	s.warmer.After(err, func(ctx context.Context) {
		nothing := func() redis.Cmder { return (&call{}).command(ctx, eval, driver.Nothing, keys, nil, false) }
		c, ok := s.client.(*redis.Client)
		if !ok {
			_ = s.client.Process(ctx, nothing())
			return
		}
		// There may be fewer idle connections than runs that come at once. Run as many
		// scripts as there are idle connections, and one more, for which another connection
		// must be made.
		stats := c.PoolStats()
		if stats.IdleConns < maxWarm {
			var all sync.WaitGroup
			for range stats.IdleConns + 1 {
				all.Go(func() {
					defer func() { _ = recover() }() // a hook may panic
					_ = c.Process(ctx, nothing())
				})
			}
			all.Wait()
		}
		// Pipelines may have a pool of their own.
		if own := stats.PipelineStats; own != nil && own.Misses > 0 && own.IdleConns == 0 {
			pipeline := c.Pipeline()
			_ = pipeline.Process(ctx, nothing())
			_, _ = pipeline.Exec(ctx)
		}
	})
}

// failure returns err in the form that [store.Store] prescribes, after the package's name.
func (s *Store) failure(ctx context.Context, err error) error {
	if reply, ok := errors.AsType[replyError](err); ok {
		return driver.Server(reply.Error(), err)
	}
	if reply, ok := errors.AsType[redis.Error](err); ok && !errors.Is(err, redis.Nil) {
		return s.secrets.Server(reply.Error(), err)
	}
	return s.secrets.Wrap(ctx, name, err)
}
