package rueidis_test

import (
	"net"
	"testing"
	"time"

	client "github.com/redis/rueidis"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
	"github.com/distributed-rate-limiter/ratelimit/internal/driver/drivertest"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/rueidis"
)

func TestMain(m *testing.M) {
	// A cluster client keeps a connection that it has replaced for 5 s more, even if the
	// client is closed meanwhile. So does a client that was redirected. A cluster client also
	// waits for up to a second before it looks at the Cluster again.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*standalone).redirectToPrimary.func1"),
		goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*clusterClient)._refresh.func2"),
		goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*clusterClient).redirectOrNew.func1"),
		goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1"),
		// A client that panicked while it was made has a goroutine that waits for ever; see
		// connector.make.
		goleak.IgnoreTopFunction("github.com/redis/rueidis.(*call).Do"),
	)
}

func TestDriver(t *testing.T) {
	drivertest.Run(t, drivertest.Driver{
		Open: open,
		Clients: map[string]func(testing.TB, string) store.Store{
			"Defaults": withOptions(func(*client.ClientOption) {}),
			"RESP2":    withOptions(func(o *client.ClientOption) { o.AlwaysRESP2 = true }),
			"Pipeline": withOptions(func(o *client.ClientOption) { o.AlwaysPipelining = true }),
		},
		IOTimeout: 3 * time.Second,
	})
}

func TestShortReplies(t *testing.T) { drivertest.ShortReplies(t, drivertest.Driver{Open: open}) }

func open(url string, o driver.Options) (drivertest.Opened, error) {
	return rueidis.Open(url, options(o)...)
}

// options returns the options of Open that set o.
func options(o driver.Options) (opts []rueidis.Option) {
	if o.Cluster {
		opts = append(opts, rueidis.WithCluster())
	}
	if o.Sentinel {
		opts = append(opts, rueidis.WithSentinel(o.MasterName))
	}
	if o.SentinelAuth {
		opts = append(opts, rueidis.WithSentinelAuth(o.SentinelUsername, o.SentinelPassword))
	}
	if o.TLSConfig != nil {
		opts = append(opts, rueidis.WithTLSConfig(o.TLSConfig))
	}
	return append(opts, rueidis.Option{})
}

// withOptions makes a client with other options than Open's. DisableCache and
// ForceSingleClient are what miniredis needs.
func withOptions(set func(*client.ClientOption)) func(testing.TB, string) store.Store {
	return func(t testing.TB, addr string) store.Store {
		o := client.ClientOption{
			InitAddress: []string{addr}, DisableCache: true, ForceSingleClient: true,
			Dialer: net.Dialer{Timeout: time.Second}, ConnWriteTimeout: 500 * time.Millisecond,
		}
		set(&o)
		c, err := client.NewClient(o)
		require.NoError(t, err)
		t.Cleanup(c.Close)
		return rueidis.New(c)
	}
}
