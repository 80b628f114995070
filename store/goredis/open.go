package goredis

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
	"github.com/distributed-rate-limiter/ratelimit/internal/wire"
)

// The settings of Open's clients; its comment says why.
const (
	dialTimeout     = 2 * time.Second
	ioTimeout       = 3 * time.Second
	poolTimeout     = 5 * time.Second
	connMaxIdleTime = 5 * time.Minute
	reloadInterval  = 10 * time.Second
	maxRedirects    = 3
)

// Open returns a Store on a client of its own, to be closed with Close. It does
// no network I/O, so it succeeds while Redis is down; the first Run connects.
//
// The URL is one of
//
//	redis://[user[:password]@]host[:port][/db]
//	rediss://…                                  the same, over TLS
//	unix://[user:password@]/path/to.sock[?db=n]
//
// the port being 6379 and the database 0 by default, with more addresses after
// it (?addr=host2:port2&addr=…) for [WithCluster] and [WithSentinel]. Special
// characters in a user or password are percent-encoded. No error quotes any of
// it, as it may hold a password.
//
// The client fails fast. It is set up so, where go-redis's own defaults differ:
//
//	setting                value      why
//	MaxRetries             none       a script whose outcome is unknown must not run again
//	ContextTimeoutEnabled  true       Run ends with its context also while a reply is awaited
//	DialerRetries          1          a refused connection is an answer; the default asks for 0.4 s
//	DialTimeout            2 s        one lost SYN (sent again after 1 s) is survived; the default is 5 s
//	Read-, WriteTimeout    3 s        the end of a Run whose context has none; the default is 5 s
//	PoolTimeout            5 s        longer than those, whose errors say more; the default is 6 s
//	ConnMaxIdleTime        5 min      less than what balancers and NAT forget a connection after; the default is 30 min
//	PipelinePoolSize       none       pipelines take the connections of all else
//	DisableIdentity        true       CLIENT SETINFO is a round trip for each connection, and may be denied by ACL
//	MaintNotifications     disabled   so is CLIENT MAINT_NOTIFICATIONS, which only Redis Enterprise knows
//	MaxRedirects           3          (cluster) MOVED and ASK are followed, since nothing ran; nothing else is sent again
//	ClusterStateReload     10 s       (cluster) and at once after a connection failed; the default is 60 s
//	Dialer                 own        as the default one; a connection on which other than Redis's protocol comes is ended;
//	                                  within 1 ms after a reply nobody looks whether one is closed, a system call of each command
//	DisableRoutingPolicies true       (cluster) saves the COMMAND that go-redis asks a node for
//
// PoolSize is go-redis's: 10 for each CPU, in a cluster 5 for each CPU and node.
// go-redis logs each dial that fails, to where redis.SetLogger says.
func Open(url string, opts ...Option) (*Store, error) {
	target, err := driver.Resolve(url, collect(opts))
	if err != nil {
		return nil, fmt.Errorf("goredis: Open: %w", err)
	}
	store := &Store{prompt: true, text: target.Config.String(), secrets: target.Secrets(), warmer: &driver.Warmer{}}
	switch {
	case target.Cluster:
		client := redis.NewClusterClient(clusterOptions(target))
		store.client, store.close = client, client.Close
	case target.Sentinel:
		client := redis.NewFailoverClient(failoverOptions(target))
		store.client, store.close = client, client.Close
	default:
		client := redis.NewClient(clientOptions(target))
		store.client, store.close = client, client.Close
	}
	store.gather, store.layout = newGather(store.client), newLayout(store.client)
	return store, nil
}

// dialer connects as go-redis does by default.
func dialer(t *driver.Target) func(ctx context.Context, network, addr string) (net.Conn, error) {
	dial := redis.NewDialer(&redis.Options{DialTimeout: dialTimeout, TLSConfig: t.TLSConfig})
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return wire.Guard(conn, t.Sentinel), nil
	}
}

func clientOptions(t *driver.Target) *redis.Options {
	return &redis.Options{
		Network:                  t.Network,
		Addr:                     t.Addrs[0],
		Username:                 t.Username,
		Password:                 t.Password,
		DB:                       t.DB,
		TLSConfig:                t.TLSConfig,
		Dialer:                   dialer(t),
		MaxRetries:               -1,
		DialerRetries:            1,
		DialTimeout:              dialTimeout,
		ReadTimeout:              ioTimeout,
		WriteTimeout:             ioTimeout,
		PoolTimeout:              poolTimeout,
		ConnMaxIdleTime:          connMaxIdleTime,
		PipelinePoolSize:         -1,
		ContextTimeoutEnabled:    true,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
}

func clusterOptions(t *driver.Target) *redis.ClusterOptions {
	return &redis.ClusterOptions{
		Addrs:                      t.Addrs,
		Username:                   t.Username,
		Password:                   t.Password,
		TLSConfig:                  t.TLSConfig,
		Dialer:                     dialer(t),
		MaxRetries:                 -1,
		MaxRedirects:               maxRedirects,
		DialerRetries:              1,
		DialTimeout:                dialTimeout,
		ReadTimeout:                ioTimeout,
		WriteTimeout:               ioTimeout,
		PoolTimeout:                poolTimeout,
		ConnMaxIdleTime:            connMaxIdleTime,
		PipelinePoolSize:           -1,
		ContextTimeoutEnabled:      true,
		DisableIdentity:            true,
		DisableRoutingPolicies:     true,
		ClusterStateReloadInterval: reloadInterval,
		MaintNotificationsConfig:   &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
}

func failoverOptions(t *driver.Target) *redis.FailoverOptions {
	return &redis.FailoverOptions{
		MasterName:            t.MasterName,
		SentinelAddrs:         t.Addrs,
		SentinelUsername:      t.SentinelUsername,
		SentinelPassword:      t.SentinelPassword,
		Username:              t.Username,
		Password:              t.Password,
		DB:                    t.DB,
		TLSConfig:             t.TLSConfig,
		Dialer:                dialer(t),
		MaxRetries:            -1,
		DialerRetries:         1,
		DialTimeout:           dialTimeout,
		ReadTimeout:           ioTimeout,
		WriteTimeout:          ioTimeout,
		PoolTimeout:           poolTimeout,
		ConnMaxIdleTime:       connMaxIdleTime,
		PipelinePoolSize:      -1,
		ContextTimeoutEnabled: true,
		DisableIdentity:       true,
	}
}
