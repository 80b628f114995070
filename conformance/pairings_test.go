package conformance_test

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"net"
	"slices"
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

// TestPairings runs the suite for every client, in both protocols, on every kind of Redis,
// with every algorithm. Little of what the suite draws at random depends on the client. So on
// each Redis, one client is tested at length and the others on fewer cases, unless
// -rapid.checks says how many.
func TestPairings(t *testing.T) {
	r := startEmbedded(t)
	servers := []server{{name: "Embedded"}}
	own := client{name: "embedded", open: func(testing.TB, []string) store.Store { return r }, redis: r}
	if redis := startRedis(t); redis != nil {
		servers = append(servers, server{"Redis", []string{redis.Addr()}, func(t testing.TB) { redis.MustDo(t, "SCRIPT", "FLUSH") }})
	}
	if cluster := startCluster(t); cluster != nil {
		servers = append(servers, server{"Cluster", cluster.Addrs(), func(t testing.TB) {
			for _, node := range cluster.Nodes {
				node.MustDo(t, "SCRIPT", "FLUSH")
			}
		}})
	}
	// A check that keeps a Redis busy would disturb other clients, so the clients of one Redis
	// take turns.
	t.Run("AtLength", func(t *testing.T) {
		for i, s := range servers {
			s.try(t, append([]client{own}, clients...)[i]) // a different client for each server
		}
	})
	t.Run("Rest", func(t *testing.T) {
		fewerChecks(t)
		for i, s := range servers {
			done := max(0, i-1) // own, which was first, is a client of goredis.Open
			s.try(t, slices.Delete(slices.Clone(clients), done, done+1)...)
		}
	})
}

// server is a kind of Redis.
type server struct {
	name  string
	addrs []string // nil for embedded ones: each client gets its own, since each key in one makes it slower
	flush func(testing.TB)
}

// try tests clients on the server, one after the other.
func (s server) try(t *testing.T, clients ...client) {
	t.Run(s.name, func(t *testing.T) {
		t.Parallel()
		if s.addrs == nil {
			redistest.EmbeddedWithoutRace(t)
		}
		for _, c := range clients {
			t.Run(c.name, func(t *testing.T) {
				s := s
				if s.addrs == nil {
					r := c.redis
					if r == nil {
						r = startEmbedded(t)
					}
					addr := r.Addr()
					s.addrs, s.flush = []string{addr}, func(t testing.TB) { flush(t, addr) }
				}
				h := conformance.Harness{
					Open:         func(t testing.TB) store.Store { return c.open(t, s.addrs) },
					FlushScripts: s.flush,
				}
				if c.dial != nil {
					h.OpenDial = func(t testing.TB, dial conformance.Dial) store.Store { return c.dial(t, s.addrs, dial) }
				}
				conformance.TestStore(t, h)
				if len(s.addrs) > 1 { // if it did not know, RunAcross would be skipped
					t.Run("Knows", func(t *testing.T) { knows(t, h.Open(t)) })
				}
			})
		}
	})
}

// knows waits until a Store on a Cluster knows which server has which keys.
func knows(t *testing.T, s store.Store) {
	spanning, ok := s.(interface {
		store.Partitioned
		store.Pipelined
		store.Spanning
	})
	require.True(t, ok)
	require.Eventually(t, func() bool {
		spanning.RunAll(t.Context(), store.NewScript("none", "return {}"), []store.Run{{Keys: []string{"a"}}, {Keys: []string{"b"}}})
		partition, _ := spanning.Partition("a")
		_, known := spanning.Server(partition)
		return known
	}, 20*time.Second, 10*time.Millisecond)
}

// startRedis starts a redis-server. If there is none, a test of its own says why.
func startRedis(t *testing.T) *redistest.Server {
	if t.Run("Redis", func(t *testing.T) { redistest.Binary(t) }); !redistest.Available() {
		return nil
	}
	return redistest.Start(t)
}

func startCluster(t *testing.T) *redistest.Cluster {
	if !redistest.Available() {
		return nil
	}
	return redistest.StartCluster(t, "--cluster-node-timeout", "15000") // a check keeps nodes busy for seconds
}

// fewerChecks makes rapid draw fewer cases for the rest of the test, unless the command line
// says how many.
func fewerChecks(t *testing.T) {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if given {
		return
	}
	before := flag.Lookup("rapid.checks").Value.String()
	require.NoError(t, flag.Set("rapid.checks", "15"))
	t.Cleanup(func() { require.NoError(t, flag.Set("rapid.checks", before)) })
}

// client is a way to reach a Redis.
type client struct {
	name string
	open func(t testing.TB, addrs []string) store.Store
	dial func(t testing.TB, addrs []string, dial conformance.Dial) store.Store
	// redis is the embedded Redis, if the client is its own Store; nil otherwise.
	redis *embedded.Redis
}

// clients are first those that the drivers' Open makes, then those that a user may make.
var clients = []client{
	{"goredis/Open", openGoredis, nil, nil},
	{"rueidis/Open", openRueidis, nil, nil},
	{"goredis/RESP2", newGoredis(2, nil), newGoredisDial(2), nil},
	{"goredis/RESP3", newGoredis(3, nil), newGoredisDial(3), nil},
	{"rueidis/RESP2", newRueidis(true, nil), newRueidisDial(true), nil},
	{"rueidis/RESP3", newRueidis(false, nil), newRueidisDial(false), nil},
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
			// The client may be closing a connection by itself, and then closes it once more.
			if err := client.Close(); !errors.Is(err, goredisclient.ErrClosed) && !errors.Is(err, net.ErrClosed) {
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

// newRueidis makes a client with rueidis's own defaults, except for what the embedded Redis
// lacks.
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

// flush makes the Redis at addr forget its scripts.
func flush(t testing.TB, addr string) {
	client := goredisclient.NewClient(&goredisclient.Options{Addr: addr})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	require.NoError(t, client.ScriptFlush(ctx).Err())
	require.NoError(t, client.Close())
}
