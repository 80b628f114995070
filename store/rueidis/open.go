package rueidis

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	client "github.com/redis/rueidis"

	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
	"github.com/distributed-rate-limiter/ratelimit/internal/wire"
)

// The settings of Open's clients. The comment of Open gives the reasons.
const (
	dialTimeout     = 2 * time.Second
	ioTimeout       = 3 * time.Second
	pingInterval    = time.Second
	bufferSize      = 64 << 10
	refreshInterval = 10 * time.Second
	maxRedirections = 3
)

// Open returns a Store on a client of its own, which Close closes. Open does no network I/O,
// so it succeeds while Redis is down, whether that is a server, a cluster or behind
// sentinels; the first Run connects.
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
// The client fails fast. These settings differ from rueidis's own defaults:
//
//	setting                    value    why
//	DisableRetry               true     a failure is reported at once; scripts would not be run again anyway
//	DisableCache               true     nothing is cached here; saves CLIENT TRACKING, which proxies and look-alikes lack
//	ForceSingleClient          true     (one server) saves the CLUSTER SLOTS that asks whether it is a cluster
//	DisableAutoPipelining      true     (one server) a lone run has a connection of its own; others share connections all the same
//	Dialer.Timeout             2 s      enough to survive one lost SYN, which is sent again after 1 s; the default is 5 s
//	Sentinel.Dialer.KeepAlive  1 s      (sentinels) is also the interval of pings, which notice a hung sentinel; the default is none
//	ConnWriteTimeout           3 s      ends a Run whose context has no deadline and, after 1 s without a reply, a hung connection; the default is 10 s
//	Read-, WriteBufferEachConn 64 KiB   runs are small; the default is 512 KiB each, for each of up to 5 connections
//	ClientSetInfo              disabled CLIENT SETINFO may be denied by ACL
//	ShardsRefreshInterval      10 s     (cluster) learns of a failover without a redirection; the default is never
//	MaxMovedRedirections       3        (cluster) the default is to follow them until the context ends
//	TopologyRefreshInterval    10 s     (sentinels) survives the loss of a message about a failover; the default is never
//	DialCtxFn                  our own  an attempt to connect outlives its caller and serves the next one; a failed one answers all for
//	                                    100 ms; a connection whose server breaks Redis's protocol is ended
func Open(url string, opts ...Option) (*Store, error) {
	target, err := driver.Resolve(url, collect(opts))
	if err != nil {
		return nil, fmt.Errorf("rueidis: Open: %w", err)
	}
	dialer := newDialer(target.Network, dialTimeout)
	connector := &connector{connect: func() (made client.Client, err error) {
		conns := &handed{}
		defer func() {
			if made == nil { // even if NewClient panics
				conns.end()
			}
		}()
		if made, err = client.NewClient(options(target, dialer, conns)); made != nil {
			made = owned{made, conns}
		}
		return made, err
	}}
	warmer, layout := &driver.Warmer{}, newLayout(target.Cluster)
	gather := newGather(target.Cluster, !target.Cluster && !target.Sentinel)
	return &Store{
		get: connector.get,
		close: func() {
			warmer.Close()
			gather.maker.Close()
			layout.Close()
			dialer.close()
			connector.close()
		},
		text:    target.Config.String(),
		cluster: target.Cluster,
		gather:  gather,
		secrets: target.Secrets(),
		warmer:  warmer,
		layout:  layout,
	}, nil
}

func options(t *driver.Target, d *dialer, conns *handed) client.ClientOption {
	return client.ClientOption{
		InitAddress: t.Addrs,
		Username:    t.Username,
		Password:    t.Password,
		SelectDB:    t.DB,
		TLSConfig:   t.TLSConfig,
		Dialer:      net.Dialer{Timeout: dialTimeout, KeepAlive: pingInterval},
		DialCtxFn: func(ctx context.Context, addr string, settings *net.Dialer, config *tls.Config) (net.Conn, error) {
			conn, err := d.dial(ctx, addr, settings, config)
			if err != nil {
				return nil, err
			}
			return conns.add(wire.Guard(conn, t.Sentinel)), nil
		},
		ConnWriteTimeout:      ioTimeout,
		ReadBufferEachConn:    bufferSize,
		WriteBufferEachConn:   bufferSize,
		ClientSetInfo:         client.DisableClientSetInfo,
		DisableRetry:          true,
		DisableCache:          true,
		ForceSingleClient:     !t.Cluster && !t.Sentinel,
		DisableAutoPipelining: !t.Cluster && !t.Sentinel,
		ClusterOption: client.ClusterOption{
			ShardsRefreshInterval: refreshInterval,
			MaxMovedRedirections:  maxRedirections,
		},
		Sentinel: client.SentinelOption{
			Dialer:                  net.Dialer{Timeout: dialTimeout, KeepAlive: pingInterval},
			TLSConfig:               t.TLSConfig,
			MasterSet:               t.MasterName,
			Username:                t.SentinelUsername,
			Password:                t.SentinelPassword,
			TopologyRefreshInterval: refreshInterval,
		},
	}
}
