package goredis

import (
	"crypto/tls"

	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
)

// Option is an option of [Open].
type Option struct {
	apply func(*driver.Options)
}

// WithCluster says that the addresses of the URL are nodes of a Redis Cluster. The client
// learns the topology from them, so a few of many nodes are enough. The default is one
// address, of a server that is not part of a Cluster.
func WithCluster() Option {
	return Option{func(o *driver.Options) { o.Cluster = true }}
}

// WithSentinel says that the addresses of the URL are those of Redis Sentinels, and names
// the master to ask them for. User, password and database of the URL are for the master; TLS
// is for the master and the sentinels.
func WithSentinel(masterName string) Option {
	return Option{func(o *driver.Options) { o.Sentinel, o.MasterName = true, masterName }}
}

// WithSentinelAuth sets the user and the password for the sentinels themselves, and needs
// [WithSentinel]. The user "" is their default user. By default there is no authentication.
func WithSentinelAuth(username, password string) Option {
	return Option{func(o *driver.Options) {
		o.SentinelAuth, o.SentinelUsername, o.SentinelPassword = true, username, password
	}}
}

// WithTLSConfig sets the TLS configuration for a rediss:// URL, such as a certificate
// authority of your own or a client certificate. Open copies it, and refuses it for other
// URLs. The default, also for nil, is that of crypto/tls with TLS 1.2 as the lowest version.
func WithTLSConfig(config *tls.Config) Option {
	return Option{func(o *driver.Options) { o.TLSConfig = config }}
}

// collect applies opts in order. The zero Option does nothing.
func collect(opts []Option) (o driver.Options) {
	for _, opt := range opts {
		if opt.apply != nil {
			opt.apply(&o)
		}
	}
	return o
}
