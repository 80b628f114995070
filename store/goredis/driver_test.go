package goredis_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
	"github.com/distributed-rate-limiter/ratelimit/internal/driver/drivertest"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
)

type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

func TestMain(m *testing.M) {
	redis.SetLogger(quiet{}) // otherwise go-redis logs each dial that fails
	goleak.VerifyTestMain(m)
}

func TestDriver(t *testing.T) {
	drivertest.Run(t, drivertest.Driver{
		Open: func(url string, o driver.Options) (drivertest.Opened, error) {
			return goredis.Open(url, options(o)...)
		},
		Clients: map[string]func(testing.TB, string) store.Store{
			"Defaults": withOptions(func(*redis.Options) {}),
			"RESP2":    withOptions(func(o *redis.Options) { o.Protocol = 2 }),
			"Context":  withOptions(func(o *redis.Options) { o.ContextTimeoutEnabled = true }),
		},
		IOTimeout: 3 * time.Second,
	})
}

// options returns the options of Open that set o.
func options(o driver.Options) (opts []goredis.Option) {
	if o.Cluster {
		opts = append(opts, goredis.WithCluster())
	}
	if o.Sentinel {
		opts = append(opts, goredis.WithSentinel(o.MasterName))
	}
	if o.SentinelAuth {
		opts = append(opts, goredis.WithSentinelAuth(o.SentinelUsername, o.SentinelPassword))
	}
	if o.TLSConfig != nil {
		opts = append(opts, goredis.WithTLSConfig(o.TLSConfig))
	}
	return append(opts, goredis.Option{})
}

// withOptions makes a client with other options than Open's.
func withOptions(set func(*redis.Options)) func(testing.TB, string) store.Store {
	return func(t testing.TB, addr string) store.Store {
		// Short, for tests whose server hangs, but long enough for a busy machine, which may
		// take more than 300 ms to answer.
		o := &redis.Options{Addr: addr, ReadTimeout: 2 * time.Second}
		set(o)
		client := redis.NewClient(o)
		t.Cleanup(func() {
			if err := client.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
				require.NoError(t, err)
			}
		})
		return goredis.New(client)
	}
}
