package rueidis

import (
	"context"
	"crypto/tls"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	client "github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/deadline"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// tracing is a connection that notes who wrote last: on a connection that nobody
// shares, whoever runs the client.
type tracing struct {
	net.Conn
	byTest *atomic.Bool
}

func (c tracing) Write(data []byte) (int, error) {
	stack := make([]byte, 1<<16)
	stack = stack[:runtime.Stack(stack, false)]
	c.byTest.Store(strings.Contains(string(stack), "testing.tRunner("))
	return c.Conn.Write(data)
}

// A run is on its caller's goroutine if it is alone, of a limiter, and comes shortly after
// one that got its reply; and if the client is known.
func TestAlone(t *testing.T) {
	var byTest atomic.Bool
	c, err := client.NewClient(client.ClientOption{
		InitAddress: []string{redistest.Start(t).Addr()}, ForceSingleClient: true, DisableCache: true,
		DialCtxFn: func(ctx context.Context, addr string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
			conn, err := d.DialContext(ctx, "tcp", addr)
			return tracing{conn, &byTest}, err
		},
	})
	require.NoError(t, err)
	defer c.Close()
	s := New(c)
	script := store.NewScript("ok", "return {1}")
	failing := store.NewScript("failing", "return 'x'")
	for _, script := range []*store.Script{script, failing} {
		require.NoError(t, c.Do(context.Background(), c.B().ScriptLoad().Script(script.Source()).Build()).Error())
	}
	limiters := func() context.Context {
		d := new(deadline.Ends).Within(context.Background(), time.Minute)
		t.Cleanup(d.End)
		return d
	}
	soon := func(s *Store) { s.turns.until.Store(int64(time.Hour)) }
	onTests := func(ctx context.Context, s *Store) bool {
		reply, err := s.Run(ctx, script, []string{"k"}, nil)
		require.NoError(t, err)
		require.Equal(t, []int64{1}, reply)
		require.Empty(t, s.turns.taken)
		return byTest.Load()
	}

	require.False(t, onTests(limiters(), s), "the first one")
	require.Positive(t, s.turns.until.Load())
	soon(s)
	require.True(t, onTests(limiters(), s))
	require.Less(t, time.Duration(s.turns.until.Load()), time.Since(s.turns.made)+lately)

	s.turns.until.Store(int64(time.Since(s.turns.made)))
	require.False(t, onTests(limiters(), s), "a while after")
	soon(s)
	_, err = s.Run(limiters(), failing, []string{"k"}, nil)
	require.ErrorIs(t, err, store.ErrReply)
	require.False(t, onTests(limiters(), s), "after one that failed")

	soon(s)
	require.False(t, onTests(context.Background(), s), "not a limiter's")
	soon(s)
	parent, cancel := context.WithCancel(context.Background())
	defer cancel()
	cancellable := new(deadline.Ends).Within(parent, time.Minute)
	defer cancellable.End()
	require.True(t, onTests(cancellable, s), "cancellable")

	soon(s)
	s.turns.taken <- struct{}{}
	reply, err := s.Run(limiters(), script, []string{"k"}, nil)
	require.NoError(t, err)
	require.Equal(t, []int64{1}, reply)
	require.False(t, byTest.Load(), "beside another one")

	wrapped := New(struct{ client.Client }{c})
	soon(wrapped)
	require.False(t, onTests(limiters(), wrapped), "a client that is not known")
}

// What Open makes is known, if it is for one server.
func TestOpenIsPlain(t *testing.T) {
	server := redistest.Start(t)
	one, err := Open(server.URL())
	require.NoError(t, err)
	defer func() { require.NoError(t, one.Close()) }()
	require.True(t, one.turns.plain)
	made, err := one.get(context.Background())
	require.NoError(t, err)
	require.True(t, isPlain(made))

	several, err := Open(server.URL(), WithCluster())
	require.NoError(t, err)
	defer func() { require.NoError(t, several.Close()) }()
	require.False(t, several.turns.plain)
}

// A run that is alone ends with its context when the server hangs, whether or not its
// connection was shared before; the next one is on a goroutine of its own.
func TestAloneWhenServerHangs(t *testing.T) {
	redistest.NotEmbedded(t)
	for name, shared := range map[string]bool{"Shared": true, "Unshared": false} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			s, err := Open(server.URL())
			require.NoError(t, err)
			defer func() { require.NoError(t, s.Close()) }()
			script := store.NewScript("ok", "return {1}")
			run := func(timeout time.Duration) error {
				ctx := new(deadline.Ends).Within(context.Background(), timeout)
				defer ctx.End()
				_, err := s.Run(ctx, script, []string{"k"}, nil)
				return err
			}
			require.NoError(t, run(time.Minute))
			if shared {
				var all sync.WaitGroup
				for range 64 {
					all.Go(func() {
						for range 20 {
							if err := run(time.Minute); err != nil {
								t.Error(err)
							}
						}
					})
				}
				all.Wait()
			}
			server.Pause()
			defer server.Resume()
			s.turns.until.Store(int64(time.Hour))
			start := time.Now()
			require.ErrorIs(t, run(50*time.Millisecond), context.DeadlineExceeded)
			require.Less(t, time.Since(start), time.Second)
			require.Zero(t, s.turns.until.Load())
		})
	}
}
