package wire

import (
	"errors"
	"math"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// ErrClosed is the error of a Write to a connection that the server closed while it was
// idle. Nothing was written, so no command was run.
var ErrClosed = errors.New("wire: the server has closed the connection")

// idle is how long after the last read or check of a connection a system call checks again
// whether the server has closed it.
const idle = time.Millisecond

// Guard returns a guarded conn. Its Read fails if what the server sends breaks Redis's
// protocol, is huge, or was not asked for. If maySubscribe is true, as for the clients of
// sentinels, messages that were not asked for are allowed on a connection once the client
// has subscribed on it. They are not allowed before, because such a client has other
// connections too, to the master for example, on which it would take such a message as the
// reply to its next command.
//
// Its Write fails with [ErrClosed] if it can be seen that the server has closed the
// connection meanwhile. A client may check that itself, by the socket, but for a moment
// after something was read or checked, Guard tells it that nothing has come. That saves a
// system call, at a price: if within that moment the server closes the connection, or sends
// something that was not asked for, a client that writes in the same moment does not notice,
// and takes what was sent for the reply.
func Guard(conn net.Conn, maySubscribe bool) net.Conn {
	g := &guarded{Conn: conn, in: scanner{size: maxSize}, out: scanner{size: math.MaxInt, verbs: maySubscribe}, socket: socketOf(conn), made: time.Now()}
	if _, ok := conn.(syscall.Conn); ok && g.socket != nil {
		return &socketed{g, look{g.socket, g}}
	}
	return g
}

// socketed is a connection whose socket lets a client check whether the connection is
// closed.
type socketed struct {
	*guarded
	look look
}

// SyscallConn implements [syscall.Conn].
func (s *socketed) SyscallConn() (syscall.RawConn, error) { return &s.look, nil }

// look is a socket that clients check before each command.
type look struct {
	syscall.RawConn
	g *guarded
}

// Read implements [syscall.RawConn]. Within a moment after something was read or checked, it
// does not look, and finds neither an end of the stream nor anything that was not asked for.
func (l *look) Read(f func(fd uintptr) (done bool)) error {
	if !l.g.isIdle() {
		return nil
	}
	err := l.RawConn.Read(f)
	l.g.seen.Store(int64(time.Since(l.g.made)))
	return err
}

// guarded is a connection. Like a connection of package net, it may be written by one
// goroutine while another reads it.
type guarded struct {
	net.Conn
	in, out    scanner
	commands   atomic.Int64 // how many were written, or are about to be
	answers    atomic.Int64 // how many were read
	subscribed atomic.Bool  // whether a command that subscribes was written, or is about to be
	broken     atomic.Bool

	socket syscall.RawConn // nil if there is none
	made   time.Time
	seen   atomic.Int64 // when something was last read or checked, counted from made
}

// Write implements [net.Conn].
func (g *guarded) Write(p []byte) (int, error) {
	if g.isOver() {
		_ = g.Conn.Close()
		return 0, ErrClosed
	}
	if err := g.out.scan(p); err != nil {
		return 0, err // no client writes that, and it is unknown what it would ask for
	}
	g.commands.Store(int64(g.out.values))
	if g.out.subscribes {
		g.subscribed.Store(true)
	}
	return g.Conn.Write(p)
}

// Read implements [net.Conn].
func (g *guarded) Read(p []byte) (int, error) {
	if g.broken.Load() {
		return 0, errProtocol
	}
	n, err := g.Conn.Read(p)
	if n == 0 {
		return n, err
	}
	g.in.pushes = g.subscribed.Load()
	bad := g.in.scan(p[:n])
	if bad != nil || !g.in.pushes && int64(g.in.values) > g.commands.Load() {
		g.broken.Store(true)
		_ = g.Conn.Close()
		return 0, errProtocol
	}
	g.answers.Store(int64(g.in.values))
	g.seen.Store(int64(time.Since(g.made)))
	return n, err
}

// isOver reports whether the server has closed the connection, as far as can be seen: the
// connection was idle after an answer, and then came the end of the stream or something that
// was not asked for, such as the closing message of TLS. (Before the first answer, that may
// be TLS session tickets.)
func (g *guarded) isOver() bool {
	answers := g.answers.Load()
	return g.socket != nil && !g.subscribed.Load() && answers > 0 && answers == g.commands.Load() &&
		g.isIdle() && hasInput(g.socket)
}

func (g *guarded) isIdle() bool { return time.Since(g.made)-time.Duration(g.seen.Load()) > idle }

// socketOf returns the socket of a connection, which may be a TLS connection, or nil.
func socketOf(conn net.Conn) syscall.RawConn {
	if secured, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = secured.NetConn()
	}
	if socket, ok := conn.(syscall.Conn); ok {
		if raw, err := socket.SyscallConn(); err == nil {
			return raw
		}
	}
	return nil
}
