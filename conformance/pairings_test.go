package conformance_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	goredisclient "github.com/redis/go-redis/v9"
	rueidisclient "github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/conformance"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
	"github.com/distributed-rate-limiter/ratelimit/store/rueidis"
)

// TestPairings runs the suite for every client, in both protocols, on every kind
// of Redis, with every algorithm.
func TestPairings(t *testing.T) {
	t.Run("Embedded", func(t *testing.T) {
		t.Parallel()
		r := startEmbedded(t)
		t.Run("embedded", func(t *testing.T) {
			conformance.TestStore(t, conformance.Harness{Open: func(testing.TB) store.Store { return r }})
		})
		pairings(t, clients[2:], []string{r.Addr()}, func(t testing.TB) { flush(t, r.Addr()) })
	})
	t.Run("Redis", func(t *testing.T) {
		t.Parallel()
		server := redistest.Start(t)
		pairings(t, clients, []string{server.Addr()}, func(t testing.TB) { server.MustDo(t, "SCRIPT", "FLUSH") })
	})
	t.Run("Cluster", func(t *testing.T) {
		t.Parallel()
		cluster := redistest.StartCluster(t)
		pairings(t, clients, cluster.Addrs(), func(t testing.TB) {
			for _, node := range cluster.Nodes {
				node.MustDo(t, "SCRIPT", "FLUSH")
			}
		})
	})
}

func pairings(t *testing.T, clients []client, addrs []string, flush func(testing.TB)) {
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			h := conformance.Harness{
				Open:         func(t testing.TB) store.Store { return c.open(t, addrs) },
				FlushScripts: flush,
			}
			if c.dial != nil {
				h.OpenDial = func(t testing.TB, dial conformance.Dial) store.Store { return c.dial(t, addrs, dial) }
			}
			conformance.TestStore(t, h)
		})
	}
}

// client is a way to reach a Redis.
type client struct {
	name string
	open func(t testing.TB, addrs []string) store.Store
	dial func(t testing.TB, addrs []string, dial conformance.Dial) store.Store
}

// clients are those that the drivers make, then those that a user may.
var clients = []client{
	{"goredis/Open", openGoredis, nil},
	{"rueidis/Open", openRueidis, nil},
	{"goredis/RESP2", newGoredis(2, nil), newGoredisDial(2)},
	{"goredis/RESP3", newGoredis(3, nil), newGoredisDial(3)},
	{"rueidis/RESP2", newRueidis(true, nil), newRueidisDial(true)},
	{"rueidis/RESP3", newRueidis(false, nil), newRueidisDial(false)},
}

func url(addrs []string) string {
	if len(addrs) == 1 {
		return "redis://" + addrs[0]
	}
	return "redis://" + addrs[0] + "?addr=" + strings.Join(addrs[1:], "&addr=")
}

func openGoredis(t testing.TB, addrs []string) store.Store {
	options := []goredis.Option{{}}
	if len(addrs) > 1 {
		options = append(options, goredis.WithCluster())
	}
	s, err := goredis.Open(url(addrs), options...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// newGoredis makes a client with go-redis's own defaults.
func newGoredis(protocol int, dial conformance.Dial) func(testing.TB, []string) store.Store {
	return func(t testing.TB, addrs []string) store.Store {
		client := goredisclient.NewUniversalClient(&goredisclient.UniversalOptions{Addrs: addrs, Protocol: protocol, Dialer: dial})
		t.Cleanup(func() {
			if err := client.Close(); !errors.Is(err, goredisclient.ErrClosed) {
				require.NoError(t, err)
			}
		})
		return goredis.New(client)
	}
}

func newGoredisDial(protocol int) func(testing.TB, []string, conformance.Dial) store.Store {
	return func(t testing.TB, addrs []string, dial conformance.Dial) store.Store {
		return newGoredis(protocol, dial)(t, addrs)
	}
}

func openRueidis(t testing.TB, addrs []string) store.Store {
	options := []rueidis.Option{{}}
	if len(addrs) > 1 {
		options = append(options, rueidis.WithCluster())
	}
	s, err := rueidis.Open(url(addrs), options...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// newRueidis makes a client with rueidis's own defaults, but for what the
// embedded Redis lacks.
func newRueidis(resp2 bool, dial conformance.Dial) func(testing.TB, []string) store.Store {
	return func(t testing.TB, addrs []string) store.Store {
		o := rueidisclient.ClientOption{InitAddress: addrs, AlwaysRESP2: resp2, DisableCache: true, ForceSingleClient: len(addrs) == 1}
		if dial != nil {
			o.DialCtxFn = func(ctx context.Context, address string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
				return dial(ctx, "tcp", address)
			}
		}
		client, err := rueidisclient.NewClient(o)
		require.NoError(t, err)
		t.Cleanup(client.Close)
		return rueidis.New(client)
	}
}

func newRueidisDial(resp2 bool) func(testing.TB, []string, conformance.Dial) store.Store {
	return func(t testing.TB, addrs []string, dial conformance.Dial) store.Store {
		return newRueidis(resp2, dial)(t, addrs)
	}
}

func startEmbedded(t testing.TB) *embedded.Redis {
	r, err := embedded.Start()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

// flush has the Redis at addr forget its scripts.
func flush(t testing.TB, addr string) {
	client := goredisclient.NewClient(&goredisclient.Options{Addr: addr})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	require.NoError(t, client.ScriptFlush(ctx).Err())
	require.NoError(t, client.Close())
}
