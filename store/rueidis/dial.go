package rueidis

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"
)

const (
	// failurePause is how long a failure to connect answers for further attempts, so that a
	// server that is down is asked ten times a second, rather than for each call.
	failurePause = 100 * time.Millisecond
	// sparePause is how long a connection waits for somebody to take it. It is short,
	// because an unused connection may be dead.
	sparePause = time.Second
)

// dialer connects for a client. For each address there is one attempt at a time, which
// serves all callers that want a connection to it, and no caller waits for it longer than
// until the end of its own context. The attempt goes on without them: the next caller finds
// it under way, or done. So a connection comes about even if that takes longer than any
// caller has time for.
type dialer struct {
	network string
	timeout time.Duration
	// ctx ends all attempts.
	ctx    context.Context
	cancel context.CancelFunc

	mu       sync.Mutex
	attempts map[string]*attempt // by address
}

// attempt is one attempt to connect. conn and err are set before done is closed.
type attempt struct {
	done chan struct{}
	conn net.Conn // nil if err is not, or once somebody has taken it
	err  error
}

// attemptError is why an attempt failed. The cause may be the attempt's own timeout, which
// must not be taken for the end of a caller's context; see notSent.
type attemptError struct{ error }

func (e *attemptError) Unwrap() error { return e.error }

func newDialer(network string, timeout time.Duration) *dialer {
	ctx, cancel := context.WithCancel(context.Background())
	return &dialer{network: network, timeout: timeout, ctx: ctx, cancel: cancel, attempts: make(map[string]*attempt)}
}

// dial is the DialCtxFn of a client's options.
func (d *dialer) dial(ctx context.Context, addr string, settings *net.Dialer, config *tls.Config) (net.Conn, error) {
	for {
		a := d.join(addr, settings, config)
		select {
		case <-a.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if conn, err := d.take(addr, a); conn != nil || err != nil {
			return conn, err
		}
		// Another caller was faster.
	}
}

// close ends all attempts, and closes the connections that nobody has taken.
func (d *dialer) close() {
	d.cancel()
	d.mu.Lock()
	defer d.mu.Unlock()
	for addr, a := range d.attempts {
		d.forget(addr, a)
	}
}

// join returns the attempt to connect to addr. It starts one if there is none.
func (d *dialer) join(addr string, settings *net.Dialer, config *tls.Config) *attempt {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.attempts[addr]
	if a == nil {
		a = &attempt{done: make(chan struct{})}
		d.attempts[addr] = a
		go d.run(a, addr, *settings, config)
	}
	return a
}

// run makes the attempt.
func (d *dialer) run(a *attempt, addr string, settings net.Dialer, config *tls.Config) {
	ctx, cancel := context.WithTimeout(d.ctx, d.timeout)
	defer cancel()
	var conn net.Conn
	var err error
	if config != nil {
		conn, err = (&tls.Dialer{NetDialer: &settings, Config: config}).DialContext(ctx, d.network, addr)
	} else {
		conn, err = settings.DialContext(ctx, d.network, addr)
	}

	d.mu.Lock()
	defer d.mu.Unlock()
	a.conn = conn
	pause := sparePause
	if err != nil {
		a.err, pause = &attemptError{err}, failurePause
	}
	close(a.done)
	if d.ctx.Err() != nil {
		d.forget(addr, a)
		return
	}
	time.AfterFunc(pause, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.forget(addr, a)
	})
}

// take returns the result of the attempt, or nothing if another caller took it.
func (d *dialer) take(addr string, a *attempt) (net.Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if a.err != nil {
		return nil, a.err
	}
	conn := a.conn
	a.conn = nil
	d.forget(addr, a)
	return conn, nil
}

// forget makes the next caller that wants a connection start an attempt. It closes a
// connection that nobody has taken. It is called with mu held.
func (d *dialer) forget(addr string, a *attempt) {
	if d.attempts[addr] == a {
		delete(d.attempts, addr)
	}
	if a.conn != nil {
		_ = a.conn.Close()
		a.conn = nil
	}
}
