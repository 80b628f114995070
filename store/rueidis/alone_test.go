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
	"testing/synctest"
	"time"

	client "github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/deadline"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/internal/wire"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// dialing is a Store like those of Open. The test knows its connections, and what was written
// to them last.
type dialing struct {
	*Store
	byTest atomic.Bool  // the test's goroutine wrote last
	last   atomic.Int32 // the number of the connection that was written to last, from 1 on

	mu    sync.Mutex
	conns []net.Conn
	gate  <-chan struct{} // what all dials but the first wait for; nil for nothing
}

func open(t *testing.T, addr string) *dialing {
	d := &dialing{}
	c, err := client.NewClient(client.ClientOption{
		InitAddress: []string{addr}, ForceSingleClient: true, DisableCache: true, DisableRetry: true, DisableAutoPipelining: true,
		PipelineMultiplex: -1, // one shared connection
		DialCtxFn: func(ctx context.Context, addr string, dialer *net.Dialer, _ *tls.Config) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, "tcp", addr)
			if err != nil {
				return nil, err
			}
			d.mu.Lock()
			d.conns = append(d.conns, conn)
			traced, gate := tracing{wire.Guard(conn, false), d, int32(len(d.conns))}, d.gate
			d.mu.Unlock()
			if gate != nil && traced.number > 1 {
				<-gate
			}
			return traced, nil
		},
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	d.Store = New(c)
	d.gather.known = true
	d.gather.came.Store(1) // as if the first run followed another one
	t.Cleanup(d.warmer.Close)
	t.Cleanup(d.gather.maker.Close)
	return d
}

// tracing is a connection that notes each write, and whether the test's goroutine made it. A
// connection that is not shared is written by the goroutine that calls the client.
type tracing struct {
	net.Conn
	store  *dialing
	number int32
}

func (c tracing) Write(data []byte) (int, error) {
	stack := make([]byte, 1<<16)
	stack = stack[:runtime.Stack(stack, false)]
	c.store.byTest.Store(strings.Contains(string(stack), "testing.tRunner("))
	c.store.last.Store(c.number)
	return c.Conn.Write(data)
}

// run runs the counter script once, and returns its count.
func (d *dialing) run(t *testing.T, ctx context.Context) int64 {
	t.Helper()
	reply, err := d.Run(ctx, counter, []string{"k"}, nil)
	require.NoError(t, err)
	require.Len(t, reply, 1)
	counts(t, d.Store, 0, 0)
	return reply[0]
}

var counter = store.NewScript("counter", "return {redis.call('INCR', KEYS[1])}")

// await returns once the connection for lone runs is there.
func (d *dialing) await(t *testing.T) {
	t.Helper()
	require.Eventually(t, d.gather.ready.Load, 5*time.Second, time.Millisecond)
}

// limiters returns a context such as a limiter makes.
func limiters(t *testing.T, timeout time.Duration) context.Context {
	ctx := new(deadline.Ends).Within(context.Background(), timeout)
	t.Cleanup(ctx.End)
	return ctx
}

// A run stays on its caller's goroutine, on a connection of its own, if nothing else is in
// flight, its context is a limiter's, the connection is there and was used lately, and nobody
// else uses the client.
func TestAlone(t *testing.T) {
	d := open(t, redistest.Start(t).Addr())
	isAlone := func(ctx context.Context) bool {
		d.run(t, ctx)
		if !d.byTest.Load() {
			return false
		}
		require.EqualValues(t, 2, d.last.Load(), "on a connection of its own")
		return true
	}
	minute := func() context.Context { return limiters(t, time.Minute) }
	require.False(t, isAlone(minute()), "the first one")
	d.await(t)
	require.True(t, isAlone(minute()))
	parent, cancel := context.WithCancel(context.Background())
	defer cancel()
	cancellable := new(deadline.Ends).Within(parent, time.Minute)
	defer cancellable.End()
	require.True(t, isAlone(cancellable))
	require.False(t, isAlone(context.Background()), "not a limiter's")

	_, err := d.Run(minute(), store.NewScript("failing", "return 'x'"), []string{"k"}, nil)
	require.ErrorIs(t, err, store.ErrReply)
	_, err = d.Run(minute(), store.NewScript("erring", "return redis.error_reply('ERR no')"), []string{"k"}, nil)
	require.ErrorAs(t, err, new(*store.ServerError))
	require.True(t, isAlone(minute()), "after a reply that is an error")

	land := busy(t, d.Store, 1)
	_, err = d.Run(minute(), counter, []string{"k"}, nil)
	require.NoError(t, err)
	require.False(t, d.byTest.Load(), "beside another one")
	require.EqualValues(t, 1, d.last.Load())
	land()
	counts(t, d.Store, 0, 0)

	runs := []store.Run{{Keys: []string{"a"}}, {Keys: []string{"b"}}}
	d.RunAll(minute(), counter, runs)
	require.NoError(t, runs[1].Err)
	require.True(t, d.byTest.Load(), "of several scripts")

	d.gather.used.Store(int64(time.Since(d.gather.made) - lately))
	require.False(t, isAlone(minute()), "after a while")
	require.False(t, d.gather.ready.Load())
	d.gather.known = false
	d.gather.tried.Store(0)
	require.False(t, d.gather.wants(), "others may use the client")
	require.Len(t, d.conns, 2)
}

// If the server closes the connection for lone runs while it is idle, no run is lost: the next
// one is run once, on the shared connection.
func TestAloneAfterClosing(t *testing.T) {
	server := redistest.Start(t)
	d := open(t, server.Addr())
	d.run(t, limiters(t, time.Minute))
	d.await(t)
	d.run(t, limiters(t, time.Minute))
	require.EqualValues(t, 2, d.last.Load())
	for want := int64(3); want < 6; want++ {
		require.EqualValues(t, 1, server.MustDo(t, "CLIENT", "KILL", "ADDR", d.conns[len(d.conns)-1].LocalAddr().String()))
		time.Sleep(20 * time.Millisecond) // so that the connection counts as idle
		require.Equal(t, want, d.run(t, limiters(t, time.Minute)), "it ran once")
		require.EqualValues(t, 1, d.last.Load(), "on those that are shared")
		require.False(t, d.gather.ready.Load())
		require.False(t, d.gather.wants(), "so soon")
		d.gather.tried.Store(0)
		d.prepare(session{Client: must(d.get(context.Background()))}, []string{"k"}, nil)
		d.await(t)
	}
	require.Len(t, d.conns, 5)
}

func must[T any](v T, _ error) T { return v }

// While the connection for lone runs is being made, runs use the shared one.
func TestAloneIsMadeMeanwhile(t *testing.T) {
	server := redistest.Start(t)
	d := open(t, server.Addr())
	gate := make(chan struct{})
	d.mu.Lock()
	d.gate = gate
	d.mu.Unlock()
	for n := range int64(50) {
		require.Equal(t, n+1, d.run(t, limiters(t, time.Minute)))
		require.EqualValues(t, 1, d.last.Load())
	}
	require.False(t, d.gather.ready.Load())
	close(gate)
	d.await(t)
	d.run(t, limiters(t, time.Minute))
	require.EqualValues(t, 2, d.last.Load())
}

// If the server accepts no further connection, the Store tries to make one at most once
// a second.
func TestAloneIsRefused(t *testing.T) {
	server := redistest.Start(t)
	d := open(t, server.Addr())
	server.MustDo(t, "CONFIG", "SET", "maxclients", "1")
	start := time.Now()
	for n := range int64(200) {
		require.Equal(t, n+1, d.run(t, limiters(t, time.Minute)))
	}
	require.False(t, d.gather.ready.Load())
	d.mu.Lock()
	require.LessOrEqual(t, len(d.conns), 3+2*int(time.Since(start)/time.Second)) // the client dials twice each time: it tries RESP 2 as well
	d.mu.Unlock()
	c := must(d.get(context.Background()))
	require.NoError(t, c.Do(context.Background(), c.B().Arbitrary("CONFIG", "SET", "maxclients", "100").Build().ToPipe()).Error())
	d.gather.tried.Store(0)
	d.run(t, limiters(t, time.Minute))
	d.await(t)
}

// The connection for lone runs is made once runs follow each other closely, if it is not
// there, and not within a second of the last attempt.
func TestAloneWants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &alone{known: true, made: time.Now()}
		require.False(t, a.wants(), "the first run")
		time.Sleep(lately)
		require.False(t, a.wants(), "as long after the last one")
		time.Sleep(lately - 1)
		require.True(t, a.wants())
		for range 2 {
			time.Sleep(retryPause/2 - 1)
			require.False(t, a.wants(), "so soon")
		}
		time.Sleep(2 * time.Nanosecond)
		require.True(t, a.wants())
		a.ended(true)
		time.Sleep(lately - 1)
		require.False(t, a.wants())
		require.True(t, a.may())
		a.ended(true)
		time.Sleep(lately)
		require.False(t, a.may(), "nobody has used it for so long")
		require.False(t, a.wants())
		require.True(t, a.wants())
		require.False(t, a.may(), "it is not known yet")
		a.ended(true)
		require.True(t, a.may())
		a.ended(false)
		require.False(t, a.may())
		require.False(t, (&alone{made: time.Now()}).wants())
	})
}

// If the server has closed the connection that several runs were to use, they go together on
// another one, and not one by one.
func TestAloneAfterClosingTogether(t *testing.T) {
	server := redistest.Start(t)
	proxy := redistest.StartProxy(t, server.Addr())
	const delay = 2 * time.Millisecond
	proxy.Delay(delay, 0)
	d := open(t, proxy.Addr())
	for range 3 {
		require.Eventually(t, func() bool {
			_, err := d.Run(limiters(t, time.Minute), counter, []string{"k"}, nil)
			return err == nil
		}, 10*time.Second, time.Millisecond)
		d.gather.tried.Store(0)
		d.run(t, limiters(t, time.Minute))
		d.await(t)
		proxy.Cut()
		time.Sleep(20 * time.Millisecond) // so that the connection counts as idle
		runs := make([]store.Run, 200)
		for i := range runs {
			runs[i].Keys = []string{"k"}
		}
		start := time.Now()
		d.RunAll(limiters(t, time.Minute), counter, runs)
		require.Less(t, time.Since(start), time.Duration(len(runs))*delay)
		for i := range runs {
			require.NoError(t, runs[i].Err)
			require.Equal(t, runs[0].Reply[0]+int64(i), runs[i].Reply[0], "each ran once")
		}
		require.False(t, d.gather.ready.Load())
	}
}

// Only a client that Open made for one server is known to be used by nobody else.
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

// When the server hangs, a lone run returns by the end of its context. The next run, which uses
// the connection no more, does so too.
func TestAloneWhenServerHangs(t *testing.T) {
	server := redistest.Start(t)
	d := open(t, server.Addr())
	d.run(t, limiters(t, time.Minute))
	d.await(t)
	d.warmer.Close() // so that nothing else is written
	server.Pause()
	for n, by := range []bool{true, false} {
		start := time.Now()
		_, err := d.Run(limiters(t, 50*time.Millisecond), counter, []string{"k"}, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded, "%d", n)
		require.Less(t, time.Since(start), time.Second)
		require.False(t, d.gather.ready.Load())
		if by {
			require.True(t, d.byTest.Load())
			require.EqualValues(t, 2, d.last.Load())
		}
	}
	server.Resume()
	require.Eventually(t, func() bool {
		_, err := d.Run(limiters(t, 50*time.Millisecond), counter, []string{"k"}, nil)
		return err == nil
	}, 10*time.Second, time.Millisecond)
	d.gather.tried.Store(0)
	d.run(t, limiters(t, time.Minute))
	d.await(t)
}
