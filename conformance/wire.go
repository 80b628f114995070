package conformance

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"syscall"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// wire is a network that can lose the reply to a script, and be down.
type wire struct {
	mu     sync.Mutex
	script *store.Script // whose next reply is lost; nil for none
	keep   int           // how many bytes of that reply arrive
	cuts   int
	down   Dial // makes the connections while the network is down; nil if it is up
	conns  map[*wireConn]bool
}

// untold, as keep, makes the write of the command fail although all of it was written, so
// that it may have arrived.
const untold = -1

func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	dial := w.down
	w.mu.Unlock()
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	conn, err := dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &wireConn{Conn: conn, wire: w}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.conns == nil {
		w.conns = map[*wireConn]bool{}
	}
	w.conns[c] = true
	return c, nil
}

// fail closes all connections. From now on dial makes new ones, or, if dial is nil, the
// network does.
func (w *wire) fail(dial Dial) {
	w.mu.Lock()
	w.down = dial
	var conns []*wireConn
	for c := range w.conns {
		conns = append(conns, c)
	}
	w.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
	}
}

// open returns how many connections are not closed.
func (w *wire) open() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.conns)
}

// cut makes the wire lose the reply to the next command that names script, except for its
// first keep bytes, and the connection with it.
func (w *wire) cut(script *store.Script, keep int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.script, w.keep, w.cuts = script, keep, 0
}

func (w *wire) wasCut() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cuts > 0
}

// sends reports whether p has the command whose reply must be lost, and how many bytes of
// the reply must arrive.
func (w *wire) sends(p []byte) (bool, int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.script == nil || !bytes.Contains(p, []byte(w.script.SHA1())) && !bytes.Contains(p, []byte(w.script.Source())) {
		return false, 0
	}
	w.script = nil
	w.cuts++
	return true, w.keep
}

type wireConn struct {
	net.Conn
	wire *wire

	mu     sync.Mutex
	doomed bool
	keep   int
}

func (c *wireConn) Write(p []byte) (int, error) {
	if doomed, keep := c.wire.sends(p); doomed {
		if keep == untold {
			n, err := c.Conn.Write(p)
			if err == nil {
				_ = c.Close()
				err = syscall.ECONNRESET
			}
			return n, err
		}
		c.mu.Lock()
		c.doomed, c.keep = true, keep
		c.mu.Unlock()
	}
	return c.Conn.Write(p)
}

func (c *wireConn) Close() error {
	c.wire.mu.Lock()
	delete(c.wire.conns, c)
	c.wire.mu.Unlock()
	return c.Conn.Close()
}

// Read waits for the reply that it loses, so the script has run by then.
func (c *wireConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.doomed || err != nil {
		return n, err
	}
	_ = c.Close()
	if c.keep == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	return min(n, c.keep), nil // the next Read fails: the connection is closed
}
