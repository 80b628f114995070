package wire

import (
	"math"
	"net"
	"sync/atomic"
	"syscall"
)

// Guard returns conn, whose Read fails where what the server sends is not of
// Redis's protocol, is huge, or was not asked for. Where the client subscribes, as
// those of sentinels do, the last is not held against the server.
func Guard(conn net.Conn, subscribes bool) net.Conn {
	g := &guarded{Conn: conn, in: scanner{size: maxSize, pushes: subscribes}, out: scanner{size: math.MaxInt}, subscribes: subscribes}
	if socket, ok := conn.(syscall.Conn); ok {
		return &socketed{g, socket} // by which a client sees that it is closed
	}
	return g
}

type socketed struct {
	*guarded
	syscall.Conn
}

// guarded is a connection. Like those of package net, it may be written by one
// goroutine while it is read by another.
type guarded struct {
	net.Conn
	in, out    scanner
	commands   atomic.Int64 // that were written, or are about to be
	subscribes bool
	broken     atomic.Bool
}

// Write implements [net.Conn].
func (g *guarded) Write(p []byte) (int, error) {
	if err := g.out.scan(p); err != nil {
		return 0, err // no client writes that; what would it have asked for?
	}
	g.commands.Store(int64(g.out.values))
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
	bad := g.in.scan(p[:n])
	if bad != nil || !g.subscribes && int64(g.in.values) > g.commands.Load() {
		g.broken.Store(true)
		_ = g.Conn.Close()
		return 0, errProtocol
	}
	return n, err
}
