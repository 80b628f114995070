package conformance

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
)

// parts are what a mutant makes its Store of.
type parts struct {
	testing.TB // of the check; its Cleanup closes what was opened
	addr       string
	dial       Dial            // nil for an ordinary dial
	end        <-chan struct{} // closed when the mutant's test is over
}

// client returns a go-redis client that sends nothing twice.
func (p parts) client(set ...func(*redis.Options)) *redis.Client {
	o := &redis.Options{
		Addr: p.addr, MaxRetries: -1, ContextTimeoutEnabled: true, DisableIdentity: true,
		ReadTimeout: patience, // a machine may be slow
	}
	if p.dial != nil {
		o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) { return p.dial(ctx, network, addr) }
	}
	for _, f := range set {
		f(o)
	}
	client := redis.NewClient(o)
	p.Cleanup(func() { _ = client.Close() })
	return client
}

// good returns a Store that is not broken. A mutant that wraps it does not promise to be
// prompt.
func (p parts) good() store.Store { return goredis.New(p.client()) }

// call is a Run on its way to a good Store.
type call struct {
	good   store.Store
	script *store.Script
	keys   []string
	args   []int64
}

func (c call) run(ctx context.Context) ([]int64, error) {
	return c.good.Run(ctx, c.script, c.keys, c.args)
}

// alter is how a mutant does a Run.
type alter func(ctx context.Context, c call) ([]int64, error)

type altered struct {
	good  store.Store
	alter alter
}

func (a altered) Run(ctx context.Context, s *store.Script, keys []string, args []int64) ([]int64, error) {
	return a.alter(ctx, call{a.good, s, keys, args})
}

// always opens Stores that do each Run by a.
func always(a alter) func(parts) store.Store {
	return func(p parts) store.Store { return altered{p.good(), a} }
}

// each opens Stores that do each Run by an alter of the Store's own, which may keep things
// between Runs.
func each(open func() alter) func(parts) store.Store {
	return func(p parts) store.Store { return altered{p.good(), open()} }
}

// withReply opens Stores that change replies.
func withReply(change func([]int64) []int64) func(parts) store.Store {
	return always(func(ctx context.Context, c call) ([]int64, error) {
		reply, err := c.run(ctx)
		if err != nil {
			return nil, err
		}
		return change(reply), nil
	})
}

// withError opens Stores that change errors.
func withError(change func(ctx context.Context, err error) ([]int64, error)) func(parts) store.Store {
	return always(func(ctx context.Context, c call) ([]int64, error) {
		reply, err := c.run(ctx)
		if err != nil {
			return change(ctx, err)
		}
		return reply, nil
	})
}

// editing is a Store that replaces pieces of scripts. The pieces are in pairs, the old one and
// then the new one. A script that lacks any old piece is left as it is, as most of the suite's
// scripts are.
type editing struct {
	good  store.Store
	pairs []string
}

func edited(pairs ...string) func(parts) store.Store {
	return func(p parts) store.Store { return editing{p.good(), pairs} }
}

func (e editing) Run(ctx context.Context, s *store.Script, keys []string, args []int64) ([]int64, error) {
	if source, ok := e.edit(s.Source()); ok {
		s = store.NewScript(s.Name(), source)
	}
	return e.good.Run(ctx, s, keys, args)
}

func (e editing) edit(source string) (string, bool) {
	for i := 0; i < len(e.pairs); i += 2 {
		if !strings.Contains(source, e.pairs[i]) {
			return "", false
		}
		source = strings.ReplaceAll(source, e.pairs[i], e.pairs[i+1])
	}
	return source, true
}

// raw is a Store that sends commands and reads replies in a way of its own.
type raw struct {
	client *redis.Client
	encode func(int64) any
	decode func(any) ([]int64, error)
	run    func(ctx context.Context, r raw, s *store.Script, keys []string, args []int64) ([]int64, error)
}

// rawly opens raws. The funcs that set leaves alone are not broken.
func rawly(set func(*raw)) func(parts) store.Store {
	return func(p parts) store.Store {
		r := raw{p.client(), func(n int64) any { return n }, strictly, evalshaThenEval}
		set(&r)
		return r
	}
}

func (r raw) Run(ctx context.Context, s *store.Script, keys []string, args []int64) ([]int64, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return r.run(ctx, r, s, keys, args)
}

func evalshaThenEval(ctx context.Context, r raw, s *store.Script, keys []string, args []int64) ([]int64, error) {
	reply, err := r.do(ctx, "EVALSHA", s.SHA1(), keys, args)
	if driver.NoScript(err) {
		return r.do(ctx, "EVAL", s.Source(), keys, args)
	}
	return reply, err
}

// do sends one command.
func (r raw) do(ctx context.Context, verb, script string, keys []string, args []int64) ([]int64, error) {
	command := []any{verb, script, len(keys)}
	for _, key := range keys {
		command = append(command, key)
	}
	for _, n := range args {
		command = append(command, r.encode(n))
	}
	reply, err := r.client.Do(ctx, command...).Result()
	switch server := redis.Error(nil); {
	case err == nil || errors.Is(err, redis.Nil):
		return r.decode(reply)
	case errors.As(err, &server):
		return nil, driver.Server(server.Error(), err)
	}
	return nil, driver.Wrap(ctx, "raw", err)
}

func strictly(reply any) ([]int64, error) {
	array, ok := reply.([]any)
	if !ok {
		return nil, store.BadReply(reply)
	}
	ints := make([]int64, len(array))
	for i, v := range array {
		if ints[i], ok = v.(int64); !ok {
			return nil, store.BadReply(v)
		}
	}
	return ints, nil
}

// isServer reports whether err is an error that the server replied with.
func isServer(err error) bool {
	server := (*store.ServerError)(nil)
	return errors.As(err, &server)
}

// isLost reports whether err leaves open whether the script ran, although no context ended.
func isLost(ctx context.Context, err error) bool {
	return err != nil && ctx.Err() == nil && !isServer(err) && !errors.Is(err, store.ErrReply) && !errors.Is(err, context.DeadlineExceeded)
}

func bucket(rate int64, period time.Duration, burst int64) algorithm.Algorithm {
	return tokenbucket.Limit{Rate: rate, Period: period, Burst: burst}
}
