package driver

import (
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/distributed-rate-limiter/ratelimit/internal/redisurl"
)

// Options are the options of a driver's Open.
type Options struct {
	Cluster          bool
	Sentinel         bool
	MasterName       string
	SentinelAuth     bool
	SentinelUsername string
	SentinelPassword string
	TLSConfig        *tls.Config
}

// Target is the Redis that a URL and options name together.
type Target struct {
	redisurl.Config
	Options
}

var (
	errBoth         = errors.New("WithCluster and WithSentinel: want at most one of them")
	errAddrs        = errors.New("several addresses: want WithCluster (they are nodes of a Redis Cluster) or WithSentinel (they are sentinels)")
	errMasterName   = errors.New("WithSentinel: master name: want one, as in the sentinels' configuration")
	errSentinelAuth = errors.New("WithSentinelAuth: want WithSentinel too")
	errUnix         = errors.New("unix://: want neither WithCluster nor WithSentinel")
	errTLS          = errors.New("WithTLSConfig: want a rediss:// URL")
)

// Resolve reads the URL, and checks that the options fit it and each other. In the Target,
// TLSConfig is a copy, and set if and only if TLS is true.
func Resolve(url string, o Options) (*Target, error) {
	config, err := redisurl.Parse(url)
	if err != nil {
		return nil, err
	}
	switch {
	case o.Cluster && o.Sentinel:
		return nil, errBoth
	case o.Sentinel && o.MasterName == "":
		return nil, errMasterName
	case o.SentinelAuth && !o.Sentinel:
		return nil, errSentinelAuth
	case config.Network == "unix" && (o.Cluster || o.Sentinel):
		return nil, errUnix
	case len(config.Addrs) > 1 && !o.Cluster && !o.Sentinel:
		return nil, errAddrs
	case o.Cluster && config.DB != 0:
		return nil, fmt.Errorf("db: want 0, the only database of a Redis Cluster, not %d", config.DB)
	case o.TLSConfig != nil && !config.TLS:
		return nil, errTLS
	}
	if config.TLS {
		if o.TLSConfig == nil {
			o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		} else {
			o.TLSConfig = o.TLSConfig.Clone()
		}
	}
	return &Target{Config: *config, Options: o}, nil
}
