package faults

import (
	goclient "github.com/redis/go-redis/v9"
	rueclient "github.com/redis/rueidis"

	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
	"github.com/distributed-rate-limiter/ratelimit/store/rueidis"
)

// opened is a store that must be closed by whoever opened it.
type opened interface {
	store.Store
	Close() error
}

// client is a way to reach a Redis.
type client struct {
	name     string
	defaults bool // with its library's default settings, rather than Open's
	open     func(url string, o driver.Options) (opened, error)
}

var clients = []client{
	{"goredis", false, func(url string, o driver.Options) (opened, error) {
		opts := []goredis.Option{}
		if o.Cluster {
			opts = append(opts, goredis.WithCluster())
		}
		if o.Sentinel {
			opts = append(opts, goredis.WithSentinel(o.MasterName))
		}
		if o.TLSConfig != nil {
			opts = append(opts, goredis.WithTLSConfig(o.TLSConfig))
		}
		return goredis.Open(url, opts...)
	}},
	{"rueidis", false, func(url string, o driver.Options) (opened, error) {
		opts := []rueidis.Option{}
		if o.Cluster {
			opts = append(opts, rueidis.WithCluster())
		}
		if o.Sentinel {
			opts = append(opts, rueidis.WithSentinel(o.MasterName))
		}
		if o.TLSConfig != nil {
			opts = append(opts, rueidis.WithTLSConfig(o.TLSConfig))
		}
		return rueidis.Open(url, opts...)
	}},
	{"goredis/defaults", true, func(url string, o driver.Options) (opened, error) {
		target, err := driver.Resolve(url, o)
		if err != nil {
			return nil, err
		}
		c := goclient.NewUniversalClient(&goclient.UniversalOptions{
			Addrs:         target.Addrs,
			MasterName:    target.MasterName,
			IsClusterMode: target.Cluster,
			Username:      target.Username,
			Password:      target.Password,
			TLSConfig:     target.TLSConfig,
		})
		return goDefaults{goredis.New(c), c}, nil
	}},
	{"rueidis/defaults", true, func(url string, o driver.Options) (opened, error) {
		target, err := driver.Resolve(url, o)
		if err != nil {
			return nil, err
		}
		c, err := rueclient.NewClient(rueclient.ClientOption{
			InitAddress: target.Addrs,
			Username:    target.Username,
			Password:    target.Password,
			TLSConfig:   target.TLSConfig,
			Sentinel:    rueclient.SentinelOption{MasterSet: target.MasterName},
		})
		if err != nil {
			return nil, err
		}
		return rueDefaults{rueidis.New(c), c}, nil
	}},
}

// goDefaults is a store, with all its abilities, that is closed by closing its client.
type goDefaults struct {
	*goredis.Store
	client goclient.UniversalClient
}

func (s goDefaults) Close() error { return s.client.Close() }

type rueDefaults struct {
	*rueidis.Store
	client rueclient.Client
}

func (s rueDefaults) Close() error {
	s.client.Close()
	return nil
}
