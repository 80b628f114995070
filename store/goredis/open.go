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

// The settings of Open's clients. The comment of Open gives the reasons.
const (
	dialTimeout     = 2 * time.Second
	ioTimeout       = 3 * time.Second
	poolTimeout     = 5 * time.Second
	connMaxIdleTime = 5 * time.Minute
	reloadInterval  = 10 * time.Second
	maxRedirects    = 3
)

// Open returns a Store on a client of its own, which Close closes. Open does no network I/O,
// so it succeeds while Redis is down; the first Run connects.
//
// The URL is one of
//
//	redis://[user[:password]@]host[:port][/db]
//	rediss://…                                  the same, over TLS
//	unix://[user:password@]/path/to.sock[?db=n]
//
// with port 6379 and database 0 by default. For [WithCluster] and [WithSentinel], more
// addresses can follow (?addr=host2:port2&addr=…). Special characters in a user or
// password must be percent-encoded. No error quotes the URL, since it may contain a
// password.
//
// The client fails fast. These settings differ from go-redis's own defaults:
//
//	setting                value      why
//	MaxRetries             none       a script whose outcome is unknown must not run again
//	ContextTimeoutEnabled  true       Run ends with its context even while it waits for a reply
//	DialerRetries          1          a refused connection is an answer; by default it is tried for 0.4 s
//	DialTimeout            2 s        enough to survive one lost SYN, which is sent again after 1 s; the default is 5 s
//	Read-, WriteTimeout    3 s        ends a Run whose context has no deadline; the default is 5 s
//	PoolTimeout            5 s        longer than those, whose errors say more; the default is 6 s
//	ConnMaxIdleTime        5 min      shorter than load balancers and NAT remember a connection; the default is 30 min
//	PipelinePoolSize       none       pipelines use the same connections as everything else
//	DisableIdentity        true       CLIENT SETINFO is a round trip for each connection, and may be denied by ACL
//	MaintNotifications     disabled   the same goes for CLIENT MAINT_NOTIFICATIONS, which only Redis Enterprise knows
//	MaxRedirects           3          (cluster) MOVED and ASK are followed, since nothing ran; nothing else is sent again
//	ClusterStateReload     10 s       (cluster) and at once after a connection failed; the default is 60 s
//	DisableRoutingPolicies true       (cluster) saves asking a node for COMMAND
//	Dialer                 our own    dials as the default one; ends a connection whose server breaks Redis's protocol, and
//	                                  saves the system call that checks before each command whether the connection is
//	                                  closed, and whether something unasked has come, if a reply came within the last
//	                                  millisecond
//
// PoolSize is go-redis's default: 10 for each CPU; in a cluster, 5 for each CPU and node.
// go-redis logs each failed dial to its own logger (redis.SetLogger).
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

// dialer returns a function that connects as go-redis does by default, and guards
// connections.
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
