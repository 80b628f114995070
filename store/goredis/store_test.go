package goredis_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
)

var incr = store.NewScript("incr", `return {redis.call('INCR', KEYS[1])}`)

// All of go-redis's clients implement Client.
var (
	_ goredis.Client = (*redis.Client)(nil)
	_ goredis.Client = (*redis.ClusterClient)(nil)
	_ goredis.Client = (*redis.Ring)(nil)
	_ goredis.Client = (*redis.AutoPipeliner)(nil)
	_ goredis.Client = redis.UniversalClient(nil)
)

func TestNoClient(t *testing.T) {
	for _, s := range []*goredis.Store{goredis.New(nil), goredis.New((*redis.Client)(nil)), nil, {}} {
		_, err := s.Run(context.Background(), incr, nil, nil)
		require.ErrorContains(t, err, "no client")
		require.False(t, s.Prompt())
		require.NoError(t, s.Close())
	}
	require.Nil(t, goredis.New((*redis.ClusterClient)(nil)))
}

func TestNoScript(t *testing.T) {
	client := redis.NewClient(&redis.Options{})
	defer func() { require.NoError(t, client.Close()) }()
	_, err := goredis.New(client).Run(context.Background(), nil, nil, nil)
	require.ErrorContains(t, err, "script is nil")
}

// A pipeline has the Process method, but runs nothing, which must be an error of Run.
func TestPipeliner(t *testing.T) {
	client := redis.NewClient(&redis.Options{})
	defer func() { require.NoError(t, client.Close()) }()
	_, err := goredis.New(client.Pipeline()).Run(context.Background(), incr, []string{"k"}, nil)
	require.ErrorContains(t, err, "did not run")
}

// Close does not close a client that was given to New.
func TestCloseLeavesClient(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: redistest.Start(t).Addr()})
	defer func() { require.NoError(t, client.Close()) }()
	s := goredis.New(client)
	require.NoError(t, s.Close())
	_, err := s.Run(context.Background(), incr, []string{"k"}, nil)
	require.NoError(t, err)
}

func TestFormatOfNew(t *testing.T) {
	client := redis.NewClient(&redis.Options{Password: "hunter2"})
	defer func() { require.NoError(t, client.Close()) }()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		require.Equal(t, "goredis.Store(*redis.Client)", fmt.Sprintf(verb, goredis.New(client)))
	}
}

// An error reply can also be found as an error of go-redis's own type.
func TestErrorUnwraps(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: redistest.Start(t).Addr()})
	defer func() { require.NoError(t, client.Close()) }()
	_, err := goredis.New(client).Run(context.Background(), store.NewScript("x", `return redis.error_reply('MYCODE x')`), nil, nil)
	reply := redis.Error(nil)
	require.ErrorAs(t, err, &reply)
	require.Equal(t, "MYCODE x", reply.Error())
	require.Equal(t, "redis: MYCODE x", err.Error())
}

// Run works with the other kinds of clients, each with go-redis's default retries.
func TestClients(t *testing.T) {
	server := redistest.Start(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer func() { require.NoError(t, client.Close()) }()
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": server.Addr()}})
	defer func() { require.NoError(t, ring.Close()) }()
	pipeline, err := client.AutoPipeline()
	require.NoError(t, err)
	async, err := client.AsyncAutoPipeline()
	require.NoError(t, err)
	conn := client.Conn()
	defer func() { require.NoError(t, conn.Close()) }()
	for name, c := range map[string]goredis.Client{"Ring": ring, "AutoPipeline": pipeline, "AsyncAutoPipeline": async, "Conn": conn} {
		t.Run(name, func(t *testing.T) {
			s := goredis.New(c)
			for want := int64(1); want <= 3; want++ {
				ints, err := s.Run(context.Background(), incr, []string{name}, nil)
				require.NoError(t, err)
				require.Equal(t, []int64{want}, ints)
				server.MustDo(t, "SCRIPT", "FLUSH")
			}
			_, err := s.Run(context.Background(), store.NewScript("x", `return {1, 'x'}`), nil, nil)
			require.ErrorIs(t, err, store.ErrReply)
			_, err = s.Run(context.Background(), store.NewScript("x", `return redis.error_reply('MYCODE x')`), nil, nil)
			require.ErrorContains(t, err, "MYCODE")
			var wg sync.WaitGroup
			for range 100 {
				wg.Go(func() {
					if _, err := s.Run(context.Background(), incr, []string{name}, nil); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			require.Equal(t, "103", server.MustDo(t, "GET", name))
		})
	}
}

// A caller's client may retry commands: up to three times by default, and a cluster client
// also through MaxRedirects. A run must not be retried: that would take its units twice.
func TestAtMostOnceWithRetryingClient(t *testing.T) {
	t.Parallel()
	const timeout = 200 * time.Millisecond
	server := redistest.Start(t)
	single := redis.NewClient(&redis.Options{Addr: server.Addr(), ReadTimeout: timeout, MaxRetries: 3})
	defer func() { require.NoError(t, single.Close()) }()
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": server.Addr()}, ReadTimeout: timeout, MaxRetries: 3})
	defer func() { require.NoError(t, ring.Close()) }()
	cluster := redis.NewClusterClient(&redis.ClusterOptions{
		ReadTimeout: timeout, MaxRetries: 3, MaxRedirects: 3,
		ClusterSlots: func(context.Context) ([]redis.ClusterSlot, error) {
			return []redis.ClusterSlot{{Start: 0, End: 16383, Nodes: []redis.ClusterNode{{Addr: server.Addr()}}}}, nil
		},
	})
	defer func() { require.NoError(t, cluster.Close()) }()
	for name, client := range map[string]goredis.Client{"Client": single, "Ring": ring, "ClusterClient": cluster} {
		t.Run(name, func(t *testing.T) {
			s := goredis.New(client)
			_, err := s.Run(context.Background(), incr, []string{"warm"}, nil)
			require.NoError(t, err)
			server.Pause()
			_, err = s.Run(context.Background(), incr, []string{name}, nil)
			server.Resume()
			require.Error(t, err)
			require.NotErrorIs(t, err, context.DeadlineExceeded)
			_, err = s.Run(context.Background(), incr, []string{"after"}, nil)
			require.NoError(t, err)
			require.Equal(t, "1", server.MustDo(t, "GET", name))
		})
	}
}

func TestPrompt(t *testing.T) {
	wrapped := redis.NewClient(&redis.Options{ContextTimeoutEnabled: true})
	defer func() { require.NoError(t, wrapped.Close()) }()
	for name, test := range map[string]struct {
		client goredis.Client
		want   bool
	}{
		"Client":              {redis.NewClient(&redis.Options{}), false},
		"ClientContext":       {redis.NewClient(&redis.Options{ContextTimeoutEnabled: true}), true},
		"Cluster":             {redis.NewClusterClient(&redis.ClusterOptions{}), false},
		"ClusterContext":      {redis.NewClusterClient(&redis.ClusterOptions{ContextTimeoutEnabled: true}), true},
		"ClusterReadOnly":     {redis.NewClusterClient(&redis.ClusterOptions{ContextTimeoutEnabled: true, ReadOnly: true}), false},
		"ClusterRouteByDelay": {redis.NewClusterClient(&redis.ClusterOptions{ContextTimeoutEnabled: true, RouteByLatency: true}), false},
		"Ring":                {redis.NewRing(&redis.RingOptions{}), false},
		"RingContext":         {redis.NewRing(&redis.RingOptions{ContextTimeoutEnabled: true}), true},
		"Other":               {struct{ goredis.Client }{wrapped}, false},
	} {
		require.Equal(t, test.want, goredis.New(test.client).Prompt(), name)
		if c, ok := test.client.(interface{ Close() error }); ok {
			require.NoError(t, c.Close())
		}
	}
	for _, opts := range [][]goredis.Option{nil, {goredis.WithCluster()}, {goredis.WithSentinel("main")}} {
		s, err := goredis.Open("redis://127.0.0.1:1", opts...)
		require.NoError(t, err)
		require.True(t, s.Prompt())
		require.NoError(t, s.Close())
	}
}

// A Store that says it is prompt is so even on a server that hangs, with a warm pool or a cold
// one: a thousand callers return long before any timeout of the client's.
func TestPromptOnHungServer(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	warm, err := goredis.Open(server.URL())
	require.NoError(t, err)
	defer func() { require.NoError(t, warm.Close()) }()
	crowd(t, warm, 10*time.Second, nil)
	server.Pause()
	defer server.Resume()
	cold, err := goredis.Open(server.URL())
	require.NoError(t, err)
	defer func() { require.NoError(t, cold.Close()) }()
	for _, s := range []*goredis.Store{warm, cold} {
		start := time.Now()
		crowd(t, s, 100*time.Millisecond, context.DeadlineExceeded)
		require.Less(t, time.Since(start), 1500*time.Millisecond)
	}
}

// crowd makes a thousand goroutines run a script, each with a timeout and the error want.
func crowd(t *testing.T, s store.Store, timeout time.Duration, want error) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), timeout)
			defer cancel()
			if _, err := s.Run(ctx, incr, []string{strconv.Itoa(i)}, nil); !errors.Is(err, want) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// A dial that fails is the answer to a run, and is not tried again, whether it was to a server
// or to a sentinel.
func TestDialsOnce(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]goredis.Option{"Server": nil, "Sentinel": {goredis.WithSentinel("main")}} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			var all sync.WaitGroup
			dials := 0
			all.Go(func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					dials++
					_ = conn.Close() // so that the handshake fails
				}
			})
			s, err := goredis.Open("rediss://"+l.Addr().String(), opts...)
			require.NoError(t, err)
			_, err = s.Run(context.Background(), incr, []string{"k"}, nil)
			require.Error(t, err)
			require.NoError(t, s.Close())
			require.NoError(t, l.Close())
			all.Wait()
			require.Equal(t, 1, dials)
		})
	}
}

// After a run that ran out of time, the Store uses all idle connections at once, and so makes
// one more: the idle ones may be too few for as many runs as come at once.
func TestWarmMakesOneMore(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: true, MaxRetries: -1})
	defer func() { require.NoError(t, client.Close()) }()
	conns := make([]*redis.Conn, 3)
	for i := range conns {
		conns[i] = client.Conn()
		require.NoError(t, conns[i].Ping(context.Background()).Err())
	}
	for _, conn := range conns {
		require.NoError(t, conn.Close())
	}
	require.EqualValues(t, len(conns), client.PoolStats().IdleConns)

	server.Pause()
	defer server.Resume()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := goredis.New(client).Run(ctx, incr, []string{"k"}, nil)
	require.ErrorIs(t, err, context.DeadlineExceeded) // which also ends the run's connection
	require.Eventually(t, func() bool {
		stats := client.PoolStats()
		return stats.IdleConns == 0 && int(stats.TotalConns) == len(conns)
	}, 5*time.Second, time.Millisecond, "two that were idle, and one more")
}

func BenchmarkRun(b *testing.B) {
	s, err := goredis.Open(redistest.Start(b).URL())
	require.NoError(b, err)
	defer func() { require.NoError(b, s.Close()) }()
	script := store.NewScript("bench", `return {1, 5000, 1700000000123456}`)
	for _, n := range []int{1, 64} {
		keys, args := make([]string, n), make([]int64, 3*n)
		for i := range keys {
			keys[i] = "ratelimit:token_bucket:" + strconv.Itoa(i)
		}
		for i := range args {
			args[i] = int64(1_000_000 + i)
		}
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Run(context.Background(), script, keys, args); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// panics is a broken hook. A dial hangs until over is closed, and the command that is to make a
// connection in the background panics.
type panics struct{ warmed, over chan struct{} }

func (p panics) DialHook(next redis.DialHook) redis.DialHook {
	return func(context.Context, string, string) (net.Conn, error) {
		<-p.over
		return nil, errors.New("over")
	}
}

func (p panics) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "eval" { // sent to make a connection, on a goroutine of its own
			close(p.warmed)
			panic("on purpose")
		}
		return next(ctx, cmd)
	}
}

func (p panics) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// A hook that panics while a connection is made in the background does not end the process.
func TestWarmContainsPanic(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1, ContextTimeoutEnabled: true})
	defer func() { require.NoError(t, client.Close()) }()
	hook := panics{make(chan struct{}), make(chan struct{})}
	defer close(hook.over)
	client.AddHook(hook)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err := goredis.New(client).Run(ctx, store.NewScript("x", "return {1}"), nil, nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	<-hook.warmed
}
