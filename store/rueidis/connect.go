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

// The errors of a connector have no name before them: see failure.
var (
	errClosed  = errors.New("the store is closed")
	errNotMade = errors.New("the client was not made")
)

// panicPause is how long a panic of the client's, while it was made, is the answer. What is
// left of such a client (see make) is too much to have it each time.
const panicPause = refreshInterval

// connector makes a client when it is first wanted, since making one connects.
type connector struct {
	// connect makes the client. Where Redis is down it fails, or returns a client
	// all the same that connects by itself later. It may panic.
	connect func() (client.Client, error)

	client atomic.Pointer[client.Client] // nil until it is made

	mu     sync.Mutex
	making *making // the attempt under way, or nil
	closed bool
}

// making is an attempt to make the client. err is set once done is closed.
type making struct {
	done chan struct{}
	err  error
}

// get returns the client. While it is being made, once for all who want it,
// nobody waits for longer than until the end of their own context.
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

// join returns the attempt under way, which it starts where there is none.
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
	if c.client.Load() != nil { // made a moment ago: get looks again
		close(m.done)
		return m, nil
	}
	c.making = m
	go c.make(m)
	return m, nil
}

// make makes the client. rueidis panics where a sentinel, or the master, sends a reply that
// has fewer elements than it should: while it makes a client, that is here, and is an error.
//
// What remains is a goroutine of the client that was not made, which waits for a lock that
// nobody will give back. And a client that has been made looks for the master again on
// goroutines of its own, where such a reply still ends the process.
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

// attempt makes the client, or tells that it panics.
func (c *connector) attempt() (made client.Client, panics bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			made, panics, err = nil, true, panicked(p)
		}
	}()
	made, err = c.connect()
	return made, false, err
}

// again lets the next one who wants the client make an attempt.
func (c *connector) again() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.making = nil
}

// close closes the client, or has it closed as soon as it is made.
func (c *connector) close() {
	c.mu.Lock()
	c.closed = true
	made := c.client.Load()
	c.mu.Unlock()
	if made != nil {
		(*made).Close()
	}
}

// handed are the open connections that a client was handed: while it was made, or after that,
// also by attempts which it did not wait for. Nobody else has them, so they are closed if it
// was not made, and when it is closed.
type handed struct {
	mu    sync.Mutex
	ended bool
	conns map[*handedConn]struct{}
}

// handedConn is a connection that is forgotten once it is closed.
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

// add notes a connection, and returns what the client is to be handed.
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

// end closes all connections, and those that come later.
func (h *handed) end() {
	h.mu.Lock()
	conns := h.conns
	h.conns, h.ended = nil, true
	h.mu.Unlock()
	for c := range conns {
		_ = c.Conn.Close() // over TLS, it may wait for a peer
	}
}

// owned is a client that leaves no connection open when it is closed. By itself, rueidis
// leaves the one that it is just setting up, and goes on to use it.
type owned struct {
	client.Client
	conns *handed
}

// Close closes the client.
func (o owned) Close() {
	o.Client.Close()
	o.conns.end()
}
