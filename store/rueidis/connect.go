package rueidis

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	client "github.com/redis/rueidis"
)

var errClosed = errors.New("rueidis: the store is closed")

// connector makes a client when it is first wanted, since making one connects.
type connector struct {
	// connect makes the client. Where Redis is down it fails, or returns a client
	// all the same that connects by itself later.
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
	m := c.making
	if m == nil {
		m = &making{done: make(chan struct{})}
		c.making = m
		if c.client.Load() != nil { // made a moment ago
			close(m.done)
			c.making = nil
			return m, nil
		}
		go c.make(m)
	}
	return m, nil
}

// make makes the client.
func (c *connector) make(m *making) {
	made, err := c.connect()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case made == nil && err == nil:
		m.err = errors.New("rueidis: the client was not made")
	case made == nil:
		m.err = err
	case c.closed:
		m.err = errClosed
		made.Close()
	default:
		c.client.Store(&made)
	}
	c.making = nil
	close(m.done)
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
