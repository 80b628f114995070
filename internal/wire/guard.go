package wire

import (
	"errors"
	"math"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// ErrClosed is the error of a Write to a connection that the server has closed while it was
// idle. Nothing was written, so no command was run.
var ErrClosed = errors.New("wire: the server has closed the connection")

// idle is for how long nothing must have come on a connection, or been looked for, before a
// system call looks whether the server has closed it.
const idle = time.Millisecond

// Guard returns conn, whose Read fails where what the server sends is not of
// Redis's protocol, is huge, or was not asked for. Where the client may subscribe, as
// those of sentinels do, the last is not held against the server once it has: only then,
// since a client has other connections beside that one, to the master for example, on
// which it would take what was not asked for as the reply to its next command.
//
// Its Write fails with [ErrClosed] where it can be seen that the server has closed the
// connection meanwhile. A client may look for that itself, by the socket, but for a moment
// after something was read or looked for, it is told that there is nothing. That saves a
// system call, at a price: if the server closes the connection within that moment, or sends
// what was not asked for, a client that writes within it does not notice, and takes the
// latter for the reply.
func Guard(conn net.Conn, maySubscribe bool) net.Conn {
	g := &guarded{Conn: conn, in: scanner{size: maxSize}, out: scanner{size: math.MaxInt, verbs: maySubscribe}, socket: socketOf(conn), made: time.Now()}
	if _, ok := conn.(syscall.Conn); ok && g.socket != nil {
		return &socketed{g, look{g.socket, g}}
	}
	return g
}

// socketed is a connection by whose socket a client sees that it is closed.
type socketed struct {
	*guarded
	look look
}

// SyscallConn implements [syscall.Conn].
func (s *socketed) SyscallConn() (syscall.RawConn, error) { return &s.look, nil }

// look is a socket that clients look at before each command.
type look struct {
	syscall.RawConn
	g *guarded
}

// Read implements [syscall.RawConn]. Within a moment after something was read or looked for
// it does not look, and finds nothing: neither an end nor something that was not asked for.
func (l *look) Read(f func(fd uintptr) (done bool)) error {
	if !l.g.isIdle() {
		return nil
	}
	err := l.RawConn.Read(f)
	l.g.seen.Store(int64(time.Since(l.g.made)))
	return err
}

// guarded is a connection. Like those of package net, it may be written by one
// goroutine while it is read by another.
type guarded struct {
	net.Conn
	in, out    scanner
	commands   atomic.Int64 // that were written, or are about to be
	answers    atomic.Int64 // that were read
	subscribed atomic.Bool  // a command that does was written, or is about to be
	broken     atomic.Bool

	socket syscall.RawConn // nil if there is none
	made   time.Time
	seen   atomic.Int64 // when something was read or looked for last, from made on
}

// Write implements [net.Conn].
func (g *guarded) Write(p []byte) (int, error) {
	if g.isOver() {
		_ = g.Conn.Close()
		return 0, ErrClosed
	}
	if err := g.out.scan(p); err != nil {
		return 0, err // no client writes that; what would it have asked for?
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

// isOver reports whether the server has closed the connection, as far as can be seen: it was
// idle after an answer, and what has come since is the end, or something that was not asked
// for, as the last that is sent over TLS. (Before the first answer that may be tickets.)
func (g *guarded) isOver() bool {
	answers := g.answers.Load()
	return g.socket != nil && !g.subscribed.Load() && answers > 0 && answers == g.commands.Load() &&
		g.isIdle() && hasInput(g.socket)
}

func (g *guarded) isIdle() bool { return time.Since(g.made)-time.Duration(g.seen.Load()) > idle }

// socketOf returns the socket of a connection, which may be one of TLS, or nil.
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
