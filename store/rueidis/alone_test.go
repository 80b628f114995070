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
// one that got its reply; and if nobody else uses the client.
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
	s.gather.known = true // as if it were Open's
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
	soon := func() { s.gather.until.Store(int64(time.Since(s.gather.made) + lately/2)) }
	onTests := func(ctx context.Context) bool {
		reply, err := s.Run(ctx, script, []string{"k"}, nil)
		require.NoError(t, err)
		require.Equal(t, []int64{1}, reply)
		counts(t, s, 0, 0)
		return byTest.Load()
	}

	require.False(t, onTests(limiters()), "the first one")
	require.Positive(t, s.gather.until.Load())
	onTestsSoon := func(ctx context.Context) bool {
		for range 100 { // a machine may be slow
			soon()
			if onTests(ctx) {
				return true
			}
		}
		return false
	}
	require.True(t, onTestsSoon(limiters()))
	require.Less(t, time.Duration(s.gather.until.Load()), time.Since(s.gather.made)+lately)

	s.gather.until.Store(int64(time.Since(s.gather.made)))
	require.False(t, onTests(limiters()), "a while after")
	s.gather.until.Store(int64(time.Hour))
	require.False(t, onTests(limiters()), "by another clock")
	soon()
	_, err = s.Run(limiters(), failing, []string{"k"}, nil)
	require.ErrorIs(t, err, store.ErrReply)
	require.False(t, onTests(limiters()), "after one that failed")

	soon()
	require.False(t, onTests(context.Background()), "not a limiter's")
	parent, cancel := context.WithCancel(context.Background())
	defer cancel()
	cancellable := new(deadline.Ends).Within(parent, time.Minute)
	defer cancellable.End()
	require.True(t, onTestsSoon(cancellable), "cancellable")

	soon()
	land := busy(t, s, 1)
	reply, err := s.Run(limiters(), script, []string{"k"}, nil)
	require.NoError(t, err)
	require.Equal(t, []int64{1}, reply)
	require.False(t, byTest.Load(), "beside another one")
	land()

	soon()
	s.gather.warming.Add(1)
	require.False(t, onTests(limiters()), "beside one that connects")
	s.gather.warming.Add(-1)

	soon()
	s.gather.known = false
	require.False(t, onTests(limiters()), "others may use the client")
}

// A reply to a run that began before another one failed says nothing.
func TestAloneAfterFailure(t *testing.T) {
	a := &alone{known: true, made: time.Now().Add(-time.Second)}
	before := time.Now()
	soon, later := before.Add(lately/2), before.Add(time.Hour)
	a.ended(before, nil)
	require.True(t, a.may(soon))
	a.ended(before, context.DeadlineExceeded)
	require.False(t, a.may(soon))
	a.ended(before, nil)
	require.False(t, a.may(soon))
	a.ended(later, nil)
	require.True(t, a.may(later.Add(lately/2)))
	require.False(t, a.may(later.Add(lately)))
}

// Of several runs, one that failed is enough; of none, nothing is known.
func TestAloneAfterSeveral(t *testing.T) {
	s, err := Open(redistest.Start(t).URL())
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	script := store.NewScript("fails", "if ARGV[1] == '1' then return 'x' end return {1}")
	for _, args := range [][]int64{{0, 1}, {1, 0}, {0, 0}} {
		runs := []store.Run{{Keys: []string{"k"}, Args: args[:1]}, {Keys: []string{"k"}, Args: args[1:]}}
		s.RunAll(context.Background(), script, runs)
		require.Equal(t, args[0] == 1, runs[0].Err != nil)
		require.Equal(t, args[1] == 1, runs[1].Err != nil)
		require.Equal(t, args[0]+args[1] == 0, s.gather.until.Load() > 0)
	}
	s.RunAll(context.Background(), script, nil)
}

// Nobody else uses the client that Open makes for one server.
func TestOpenIsKnown(t *testing.T) {
	server := redistest.Start(t)
	one, err := Open(server.URL())
	require.NoError(t, err)
	defer func() { require.NoError(t, one.Close()) }()
	require.True(t, one.gather.known)
	c, err := one.get(context.Background())
	require.NoError(t, err)
	require.False(t, New(c).gather.known)

	several, err := Open(server.URL(), WithCluster())
	require.NoError(t, err)
	defer func() { require.NoError(t, several.Close()) }()
	require.False(t, several.gather.known)
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
			start := time.Now()
			s.gather.until.Store(int64(start.Sub(s.gather.made) + lately))
			require.ErrorIs(t, run(50*time.Millisecond), context.DeadlineExceeded)
			require.Less(t, time.Since(start), time.Second)
			require.Zero(t, s.gather.until.Load())
		})
	}
}
