package rueidis

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	client "github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// stub is a client that does nothing but close.
type stub struct {
	client.Client
	closed atomic.Int64
}

func (s *stub) Close() { s.closed.Add(1) }

func TestConnectorSharesAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts atomic.Int64
		made := &stub{}
		c := &connector{connect: func() (client.Client, error) {
			if attempts.Add(1) == 1 {
				time.Sleep(time.Second)
				return nil, errors.New("down")
			}
			time.Sleep(time.Second)
			return made, nil
		}}
		// All callers wait for one attempt and get its error, except those whose time is up
		// before it ends.
		start := time.Now()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				_, err := c.get(context.Background())
				require.EqualError(t, err, "down")
			})
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
				defer cancel()
				_, err := c.get(ctx)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, 100*time.Millisecond, time.Since(start))
			})
		}
		wg.Wait()
		require.Equal(t, int64(1), attempts.Load())

		// The next caller tries again, and the client that it makes is kept.
		for range 3 {
			got, err := c.get(context.Background())
			require.NoError(t, err)
			require.Same(t, made, got)
		}
		require.Equal(t, int64(2), attempts.Load())
		c.close()
		require.Equal(t, int64(1), made.closed.Load())
	})
}

func TestConnectorClosedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made := &stub{}
		c := &connector{connect: func() (client.Client, error) {
			time.Sleep(time.Second)
			return made, nil
		}}
		ended := make(chan error)
		go func() {
			_, err := c.get(context.Background())
			ended <- err
		}()
		synctest.Wait()
		c.close()
		require.ErrorIs(t, <-ended, errClosed)
		require.Equal(t, int64(1), made.closed.Load())
		_, err := c.get(context.Background())
		require.ErrorIs(t, err, errClosed)
	})
}

// A panic while the client is made becomes an error, which all callers get for panicPause.
func TestConnectorPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts, made := 0, &stub{}
		c := &connector{connect: func() (client.Client, error) {
			if attempts++; attempts == 1 {
				panic("short")
			}
			return made, nil
		}}
		for range 3 {
			_, err := c.get(context.Background())
			require.EqualError(t, err, "the client panicked: short")
		}
		time.Sleep(panicPause - time.Nanosecond)
		_, err := c.get(context.Background())
		require.Error(t, err)
		require.Equal(t, 1, attempts)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		got, err := c.get(context.Background())
		require.NoError(t, err)
		require.Same(t, made, got)
	})
}

// TestHanded: end closes the connections that were handed out before, unless the client has
// closed them itself, and those that come later.
func TestHanded(t *testing.T) {
	h := &handed{}
	open, shut, late := &closing{}, &closing{}, &closing{}
	h.add(open)
	require.NoError(t, h.add(shut).Close())
	require.True(t, shut.closed)
	require.Len(t, h.conns, 1, "what is closed is forgotten")
	require.False(t, open.closed)
	h.end()
	require.True(t, open.closed)
	require.Empty(t, h.conns)
	h.add(late)
	require.True(t, late.closed)
	require.Empty(t, h.conns)
}

// If a Store is closed while its client is setting up a connection, nothing is run on that
// connection, and it does not stay open.
func TestCloseWhileConnecting(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	hello, release := make(chan struct{}, 100), make(chan struct{})
	var served sync.WaitGroup
	served.Go(func() {
		for i := 0; ; i++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer func() { _ = conn.Close() }()
				buffer := make([]byte, 1<<16)
				_, _ = conn.Read(buffer) // HELLO
				if i > 0 {               // not the one that the client is made with
					hello <- struct{}{}
					<-release
				}
				_, err := io.WriteString(conn, "%1\r\n+version\r\n+7.0.0\r\n")
				for err == nil {
					if _, err = conn.Read(buffer); err == nil {
						_, err = io.WriteString(conn, "*1\r\n:1\r\n")
					}
				}
			})
		}
	})
	s, err := Open("redis://" + l.Addr().String())
	require.NoError(t, err)
	s.gather.maker.Close() // which would make a connection that the test does not mean
	run := func() error {
		_, err := s.Run(context.Background(), counter, []string{"k"}, nil)
		return err
	}
	ended := make(chan error)
	go func() {
		err := run()
		for err == nil { // until one needs a connection that is not there yet
			err = run()
		}
		ended <- err
	}()
	<-hello
	require.NoError(t, s.Close())
	close(release)
	require.Error(t, <-ended)
	for range 100 { // on any of its connections
		require.Error(t, run())
	}
	require.NoError(t, l.Close())
	served.Wait()
}

type closing struct {
	net.Conn
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

func TestConnectorMakesNothing(t *testing.T) {
	c := &connector{connect: func() (client.Client, error) { return nil, nil }}
	_, err := c.get(context.Background())
	require.Error(t, err)
}

// An attempt to connect that takes longer than any caller has time for is not lost: a later
// caller gets the connection.
func TestDialerOutlivesCallers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	d := newDialer("tcp", 5*time.Second)
	defer d.close()
	release := make(chan struct{})
	slow := &net.Dialer{ControlContext: controlAfter(release)}

	for range 3 {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		_, err := d.dial(ctx, l.Addr().String(), slow, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		cancel()
	}
	close(release)
	conn, err := d.dial(context.Background(), l.Addr().String(), slow, nil)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	// That was one connection, and it belongs to one caller only.
	other, err := d.dial(context.Background(), l.Addr().String(), slow, nil)
	require.NoError(t, err)
	require.NotEqual(t, conn.LocalAddr(), other.LocalAddr())
	require.NoError(t, other.Close())
}

// No two callers are given the same connection.
func TestDialerGivesEachItsOwn(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	d := newDialer("tcp", 5*time.Second)
	defer d.close()
	var seen sync.Map
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			conn, err := d.dial(context.Background(), l.Addr().String(), &net.Dialer{}, nil)
			if err != nil {
				t.Error(err)
				return
			}
			if _, twice := seen.LoadOrStore(conn.LocalAddr().String(), conn); twice {
				t.Error("given twice")
			}
		})
	}
	wg.Wait()
	seen.Range(func(_, conn any) bool { return conn.(net.Conn).Close() == nil })
}

// After an attempt that failed, callers get its error for failurePause, without another attempt.
func TestDialerRemembersFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts atomic.Int64
		failing := &net.Dialer{ControlContext: func(context.Context, string, string, rawConn) error {
			attempts.Add(1)
			return errors.New("refused")
		}}
		d := newDialer("tcp", 5*time.Second)
		for range 10 {
			_, err := d.dial(context.Background(), "127.0.0.1:1", failing, nil)
			require.ErrorContains(t, err, "refused")
		}
		require.Equal(t, int64(1), attempts.Load())
		time.Sleep(failurePause + time.Millisecond)
		_, err := d.dial(context.Background(), "127.0.0.1:1", failing, nil)
		require.ErrorContains(t, err, "refused")
		require.Equal(t, int64(2), attempts.Load())
		d.close()
	})
}

// If an attempt to connect has timed out, that is the answer to a run. The run is not sent
// again and again for as long as the failure is remembered.
func TestAttemptTimedOut(t *testing.T) {
	target, err := driver.Resolve("redis://127.0.0.1:1", driver.Options{})
	require.NoError(t, err)
	d := newDialer("tcp", 10*time.Millisecond)
	defer d.close()
	o := options(target, d, &handed{})
	o.Dialer.ControlContext = controlAfter(nil)
	made, err := client.NewClient(o)
	require.Error(t, err) // but it returns a client
	defer made.Close()
	c := &counting{Client: made}
	s := New(c)
	for range 5 {
		c.single.Store(0)
		_, err := s.Run(context.Background(), counter, []string{"k"}, nil)
		dial := (*net.OpError)(nil)
		require.ErrorAs(t, err, &dial)
		require.True(t, dial.Timeout())
		require.EqualValues(t, 1, c.single.Load())
	}
	require.False(t, notSent(context.Background(), time.Now(), &attemptError{context.DeadlineExceeded}), "as of a handshake over TLS")
}

func TestDialerClose(t *testing.T) {
	d := newDialer("tcp", time.Hour)
	never := make(chan struct{})
	ended := make(chan error)
	started := make(chan struct{})
	stuck := &net.Dialer{ControlContext: func(ctx context.Context, _, _ string, _ rawConn) error {
		close(started)
		select {
		case <-never:
		case <-ctx.Done():
		}
		return ctx.Err()
	}}
	go func() {
		_, err := d.dial(context.Background(), "127.0.0.1:1", stuck, nil)
		ended <- err
	}()
	<-started
	d.close()
	require.Error(t, <-ended)
}

// The client panics on some error replies that look like redirections; Run returns an error.
func TestRunContainsPanic(t *testing.T) {
	s, script := New(panicking{}), store.NewScript("x", "")
	_, err := s.Run(context.Background(), script, nil, nil)
	require.ErrorContains(t, err, "the client panicked: runtime error")
	_, err = s.Run(context.Background(), script, []string{"a"}, nil) // that builder panics at a key
	require.ErrorContains(t, err, "the client panicked: multi key")
}

type panicking struct{ client.Client }

func (panicking) Mode() client.ClientMode { return client.ClientModeCluster }
func (panicking) B() client.Builder       { return client.Builder{} }
func (panicking) Do(context.Context, client.Completed) client.RedisResult {
	var none []int
	_ = none[2]
	return client.RedisResult{}
}

func TestSetupMessage(t *testing.T) {
	for text, want := range map[string]string{
		"WRONGPASS invalid":        "WRONGPASS invalid",
		"LOADING Redis is loading": "LOADING Redis is loading",
		"DB index is out of range": "ERR DB index is out of range",
		"AUTH <password> called":   "ERR AUTH <password> called",
		"max number of clients":    "ERR max number of clients",
		"unknown command 'SELECT'": "ERR unknown command 'SELECT'",
	} {
		require.Equal(t, want, setupMessage(text))
	}
}

func TestCommand(t *testing.T) {
	c, err := client.NewClient(client.ClientOption{InitAddress: []string{"127.0.0.1:1"}, ForceSingleClient: true, DisableCache: true})
	require.Error(t, err) // but it returns a client
	t.Cleanup(c.Close)
	args := func(keys []string, args []int64) []string {
		built := command(c.B(), "EVAL", "return", keys, args, false)
		return built.Commands()
	}
	require.Equal(t, []string{"EVAL", "return", "0"}, args(nil, nil))
	require.Equal(t, []string{"EVAL", "return", "2", "a", "b", "0", "-1", "9223372036854775807", "-9223372036854775808"},
		args([]string{"a", "b"}, []int64{0, -1, 1<<63 - 1, -1 << 63}))
	many := make([]int64, 1000)
	for i := range many {
		many[i] = int64(i) - 500
	}
	require.Equal(t, "-500", args(nil, many)[3])
	require.Equal(t, "499", args(nil, many)[1002])
}
