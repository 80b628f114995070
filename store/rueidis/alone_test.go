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

// dialing is a store as Open makes it, whose connections are known.
type dialing struct {
	*Store
	byTest atomic.Bool  // the test's goroutine wrote last
	last   atomic.Int32 // the connection on which something was written last, from 1 on

	mu    sync.Mutex
	conns []net.Conn
	gate  <-chan struct{} // what a dial waits for, but for the first one
}

func open(t *testing.T, addr string) *dialing {
	d := &dialing{}
	c, err := client.NewClient(client.ClientOption{
		InitAddress: []string{addr}, ForceSingleClient: true, DisableCache: true, DisableRetry: true, DisableAutoPipelining: true,
		PipelineMultiplex: -1, // one connection that is shared
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
	d.gather.came.Store(1) // so that the first run follows another one
	t.Cleanup(d.warmer.Close)
	t.Cleanup(d.gather.maker.Close)
	return d
}

// tracing is a connection that notes that it was written, and by whom: on a connection
// that nobody shares, whoever runs the client.
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

// run runs a script that counts, and returns what it has counted.
func (d *dialing) run(t *testing.T, ctx context.Context) int64 {
	t.Helper()
	reply, err := d.Run(ctx, counter, []string{"k"}, nil)
	require.NoError(t, err)
	require.Len(t, reply, 1)
	counts(t, d.Store, 0, 0)
	return reply[0]
}

var counter = store.NewScript("counter", "return {redis.call('INCR', KEYS[1])}")

// await returns once the connection of those who are alone is there.
func (d *dialing) await(t *testing.T) {
	t.Helper()
	require.Eventually(t, d.gather.ready.Load, 5*time.Second, time.Millisecond)
}

// limiters returns a context as a limiter's.
func limiters(t *testing.T, timeout time.Duration) context.Context {
	ctx := new(deadline.Ends).Within(context.Background(), timeout)
	t.Cleanup(ctx.End)
	return ctx
}

// A run is on its caller's goroutine, and on a connection of its own, if it is alone, of a
// limiter, and the connection is there; and if the client does so.
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

// What the server has closed while it was idle costs nobody a decision.
func TestAloneAfterClosing(t *testing.T) {
	redistest.NotEmbedded(t)
	server := redistest.Start(t)
	d := open(t, server.Addr())
	d.run(t, limiters(t, time.Minute))
	d.await(t)
	d.run(t, limiters(t, time.Minute))
	require.EqualValues(t, 2, d.last.Load())
	for want := int64(3); want < 6; want++ {
		require.EqualValues(t, 1, server.MustDo(t, "CLIENT", "KILL", "ADDR", d.conns[len(d.conns)-1].LocalAddr().String()))
		time.Sleep(20 * time.Millisecond) // which it takes to be idle
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

// While the connection takes longer to be made than callers have time for, they do without.
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

// A server that lets no further connection be made is asked for it once a second.
func TestAloneIsRefused(t *testing.T) {
	redistest.NotEmbedded(t)
	server := redistest.Start(t)
	d := open(t, server.Addr())
	server.MustDo(t, "CONFIG", "SET", "maxclients", "1")
	start := time.Now()
	for n := range int64(200) {
		require.Equal(t, n+1, d.run(t, limiters(t, time.Minute)))
	}
	require.False(t, d.gather.ready.Load())
	d.mu.Lock()
	require.LessOrEqual(t, len(d.conns), 3+2*int(time.Since(start)/time.Second)) // with that of a second attempt of the client's, RESP 2
	d.mu.Unlock()
	c := must(d.get(context.Background()))
	require.NoError(t, c.Do(context.Background(), c.B().Arbitrary("CONFIG", "SET", "maxclients", "100").Build().ToPipe()).Error())
	d.gather.tried.Store(0)
	d.run(t, limiters(t, time.Minute))
	d.await(t)
}

// It is made once runs follow each other, a second after the last attempt, and if there is
// need.
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

// Runs that were to go on a connection which the server had closed go together again.
func TestAloneAfterClosingTogether(t *testing.T) {
	redistest.NotEmbedded(t)
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
		time.Sleep(20 * time.Millisecond) // which it takes to be idle
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

// A run that is alone ends with its context when the server hangs; the next one is on a
// goroutine of its own.
func TestAloneWhenServerHangs(t *testing.T) {
	redistest.NotEmbedded(t)
	server := redistest.Start(t)
	d := open(t, server.Addr())
	d.run(t, limiters(t, time.Minute))
	d.await(t)
	d.warmer.Close() // nothing else is written
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
