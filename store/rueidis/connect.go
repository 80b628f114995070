package rueidis

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	client "github.com/redis/rueidis"
)

// The errors of a connector do not begin with the package's name: failure adds it.
var (
	errClosed  = errors.New("the store is closed")
	errNotMade = errors.New("the client was not made")
)

// panicPause is how long a panic of the client, while it is made, answers for further
// attempts. What is left behind by such an attempt (see make) is too much to leave behind at
// each call.
const panicPause = refreshInterval

// connector makes a client when one is first wanted, because making one connects.
type connector struct {
	// connect makes the client. If Redis is down, connect fails, or returns a client that
	// connects by itself later. It may panic.
	connect func() (client.Client, error)

	client atomic.Pointer[client.Client] // nil until it is made

	mu     sync.Mutex
	making *making // the attempt under way, or nil
	closed bool
}

// making is an attempt to make the client. err is set before done is closed.
type making struct {
	done chan struct{}
	err  error
}

// get returns the client. One attempt to make it serves all callers that want it, and none
// of them waits for it longer than until the end of its own context.
func (c *connector) get(ctx context.Context) (client.Client, error) {
	for {
		if made := c.client.Load(); made != nil {
			return *made, nil
		}
		m, err := c.join()
		if err != nil {
			return nil, err
		}
		select {
		case <-m.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if m.err != nil {
			return nil, m.err
		}
	}
}

// join returns the attempt under way. It starts one if there is none.
func (c *connector) join() (*making, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errClosed
	}
	if c.making != nil {
		return c.making, nil
	}
	m := &making{done: make(chan struct{})}
	if c.client.Load() != nil { // made a moment ago, so get looks again
		close(m.done)
		return m, nil
	}
	c.making = m
	go c.make(m)
	return m, nil
}

// make makes the client. rueidis panics if a sentinel, or the master, sends a reply with
// fewer elements than it should. While rueidis makes a client, it does so on this goroutine,
// and the panic becomes an error.
//
// What remains then is a goroutine of the failed client, which waits for a lock that nobody
// will release. And once a client has been made, it looks for the master again on goroutines
// of its own, where such a reply still ends the process.
func (c *connector) make(m *making) {
	made, panics, err := c.attempt()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case made == nil && err == nil:
		m.err = errNotMade
	case made == nil:
		m.err = err
	case c.closed:
		m.err = errClosed
		made.Close()
	default:
		c.client.Store(&made)
	}
	if panics {
		time.AfterFunc(panicPause, c.again)
	} else {
		c.making = nil
	}
	close(m.done)
}

// attempt makes the client, or reports that making it panicked.
func (c *connector) attempt() (made client.Client, panics bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			made, panics, err = nil, true, panicked(p)
		}
	}()
	made, err = c.connect()
	return made, false, err
}

// again lets the next caller that wants the client make an attempt.
func (c *connector) again() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.making = nil
}

// close closes the client, now or as soon as it is made.
func (c *connector) close() {
	c.mu.Lock()
	c.closed = true
	made := c.client.Load()
	c.mu.Unlock()
	if made != nil {
		(*made).Close()
	}
}

// handed holds the open connections that were handed to a client: while it was made, or
// later, and also those of attempts that the client did not wait for. Nobody else has them,
// so they are closed if the client was not made, and when it is closed.
type handed struct {
	mu    sync.Mutex
	ended bool
	conns map[*handedConn]struct{}
}

// handedConn is a connection that handed forgets once it is closed.
type handedConn struct {
	net.Conn
	of *handed
}

// Close implements [net.Conn].
func (c *handedConn) Close() error {
	c.of.mu.Lock()
	delete(c.of.conns, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// add notes a connection, and returns the one to hand to the client.
func (h *handed) add(conn net.Conn) net.Conn {
	c := &handedConn{conn, h}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.ended:
		_ = conn.Close()
	case h.conns == nil:
		h.conns = map[*handedConn]struct{}{c: {}}
	default:
		h.conns[c] = struct{}{}
	}
	return c
}

// end closes all connections, and makes add close those that come later.
func (h *handed) end() {
	h.mu.Lock()
	conns := h.conns
	h.conns, h.ended = nil, true
	h.mu.Unlock()
	for c := range conns {
		_ = c.Conn.Close() // over TLS, Close may wait for the peer
	}
}

// owned is a client that leaves no connection open when it is closed. rueidis itself leaves
// open the connection that it is just setting up, and goes on to use it.
type owned struct {
	client.Client
	conns *handed
}

// Close closes the client and its connections.
func (o owned) Close() {
	o.Client.Close()
	o.conns.end()
}
