package wire

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
)

const ping = "*1\r\n$4\r\nPING\r\n"

// TestIdle checks that nothing is written to a connection that the server has closed while it
// was idle.
func TestIdle(t *testing.T) {
	for name, c := range map[string]struct {
		asks, answered int
		ends           bool
		subscribes     bool
		busy           bool // something came a moment ago
		over           bool // the write fails, and nothing is written
	}{
		"Closed":     {asks: 2, answered: 2, ends: true, over: true},
		"Open":       {asks: 2, answered: 2},
		"Busy":       {asks: 2, answered: 2, ends: true, busy: true},
		"InFlight":   {asks: 2, answered: 1, ends: true},
		"Fresh":      {ends: true},
		"Subscribes": {asks: 2, answered: 2, ends: true, subscribes: true},
	} {
		for _, secured := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/TLS=%v", name, secured), func(t *testing.T) {
				ours, theirs := connect(t, secured)
				conn := Guard(ours, true)
				ask := ping
				if c.subscribes {
					ask = "*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nx\r\n"
				}
				for range c.asks {
					_, err := io.WriteString(conn, ask)
					require.NoError(t, err)
				}
				answers := bufio.NewReader(conn)
				for range c.answered {
					_, err := io.WriteString(theirs, "+PONG\r\n")
					require.NoError(t, err)
					text, err := answers.ReadString('\n')
					require.NoError(t, err)
					require.Equal(t, "+PONG\r\n", text)
				}
				socket := socketOf(ours)
				if c.answered == c.asks && c.asks > 0 {
					require.False(t, hasInput(socket))
				}
				if c.ends {
					require.NoError(t, theirs.Close())
					require.Eventually(t, func() bool { return hasInput(socket) }, 5*time.Second, time.Millisecond)
				}
				g := guardedOf(conn)
				g.seen.Store(int64(time.Since(g.made) - 2*idle))
				if c.busy {
					g.seen.Store(int64(time.Since(g.made) + time.Minute))
				}
				n, err := io.WriteString(conn, ping)
				if c.over {
					require.ErrorIs(t, err, ErrClosed)
					require.Zero(t, n)
					_, err = ours.Write([]byte("x"))
					require.ErrorIs(t, err, net.ErrClosed)
					_, err = conn.Read(make([]byte, 1))
					require.ErrorIs(t, err, net.ErrClosed, "the server has broken no protocol")
					return
				}
				require.NotErrorIs(t, err, ErrClosed)
				require.EqualValues(t, c.asks+1, g.commands.Load())
			})
		}
	}
}

// TestLook checks that a client that looks at the socket itself sees that the server has
// closed it. For a moment after something has come, or after a look, the socket is not looked
// at again.
func TestLook(t *testing.T) {
	ours, theirs := connect(t, false)
	conn := Guard(ours, false)
	g := guardedOf(conn)
	looks := 0
	see := func() (open bool) {
		looks++
		socket, err := conn.(syscall.Conn).SyscallConn()
		require.NoError(t, err)
		open = true
		require.NoError(t, socket.Read(func(uintptr) bool {
			looks--
			open = !hasInput(g.socket)
			return true
		}))
		return open
	}
	idleFor := func(d time.Duration) { g.seen.Store(int64(time.Since(g.made) - d)) }

	idleFor(time.Minute)
	before := int64(time.Since(g.made))
	_, err := io.WriteString(conn, ping)
	require.NoError(t, err)
	_, err = io.WriteString(theirs, "+PONG\r\n")
	require.NoError(t, err)
	_, err = io.ReadFull(conn, make([]byte, len("+PONG\r\n")))
	require.NoError(t, err)
	require.GreaterOrEqual(t, g.seen.Load(), before, "what is read counts as a look")
	require.Eventually(t, g.isIdle, 5*time.Second, time.Millisecond, "for a moment")

	idleFor(2 * idle)
	require.True(t, see())
	require.Zero(t, looks, "it did not look")
	require.False(t, g.isIdle())
	idleFor(-time.Minute)
	require.True(t, see())
	require.Equal(t, 1, looks, "it looked")

	require.NoError(t, theirs.Close())
	require.Eventually(t, func() bool { return hasInput(g.socket) }, 5*time.Second, time.Millisecond)
	require.True(t, see())
	idleFor(2 * idle)
	require.False(t, see())

	secured, _ := connect(t, true)
	require.NotImplements(t, (*syscall.Conn)(nil), Guard(secured, false), "its input is not what is sent")
}

func guardedOf(conn net.Conn) *guarded {
	if s, ok := conn.(*socketed); ok {
		return s.guarded
	}
	return conn.(*guarded)
}

// connect returns both ends of a connection, over TLS if secured.
func connect(t *testing.T, secured bool) (ours, theirs net.Conn) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	ours, err = net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = ours.Close() })
	theirs, err = listener.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = theirs.Close() })
	if !secured {
		return ours, theirs
	}
	server := tls.Server(theirs, &tls.Config{Certificates: []tls.Certificate{redistest.NewAuthority(t).Issue(t).Pair}})
	client := tls.Client(ours, &tls.Config{InsecureSkipVerify: true})
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	require.NoError(t, client.Handshake())
	require.NoError(t, <-done)
	return client, server
}
