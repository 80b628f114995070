package redistest

import (
	"bytes"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// link is a connection through a proxy: from a client, and on to the server. lost and doomed
// are guarded by the proxy's mutex.
type link struct {
	client, server net.Conn
	gone           chan struct{} // closed when it is cut
	once           sync.Once

	lost   bool // something that was sent did not arrive
	doomed bool // the next reply cuts the link
}

// cut ends the link, in both directions.
func (l *link) cut() {
	l.once.Do(func() {
		close(l.gone)
		_ = l.client.Close()
		_ = l.server.Close()
	})
}

// serve passes a client's connection on to the server, until it ends.
func (p *Proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		_ = client.Close()
		return
	}
	l := &link{client: client, server: server, gone: make(chan struct{})}
	p.mu.Lock()
	p.links[l] = struct{}{}
	if p.listener == nil { // Refuse was called meanwhile
		l.cut()
	}
	p.mu.Unlock()
	var wait sync.WaitGroup
	wait.Go(func() { p.pass(l, client, server, p.request) })
	wait.Go(func() { p.pass(l, server, client, p.reply) })
	wait.Wait()
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
}

// piece is data under way.
type piece struct {
	data []byte
	due  time.Time
}

// pass passes data on from one end to the other, if look returns true for it. When either
// end is closed, pass cuts the link and returns.
func (p *Proxy) pass(l *link, from, to net.Conn, look func(*link, []byte) bool) {
	defer l.cut()
	const window = 1024 // pieces under way, before the sender must wait
	way := make(chan piece, window)
	var wait sync.WaitGroup
	wait.Go(func() {
		defer l.cut()
		for piece := range way {
			if !p.arrive(l, piece.due) {
				return
			}
			if !look(l, piece.data) {
				continue
			}
			if _, err := to.Write(piece.data); err != nil {
				return
			}
		}
	})
	defer wait.Wait()
	defer close(way)
	var last time.Time
	data := make([]byte, 16<<10)
	for {
		n, err := from.Read(data)
		if err != nil {
			return
		}
		due := p.due()
		if due.Before(last) {
			due = last
		}
		last = due
		select {
		case way <- piece{bytes.Clone(data[:n]), due}:
		case <-l.gone:
			return
		}
	}
}

// due returns when data that is sent now arrives.
func (p *Proxy) due() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	delay := p.spoil.delay
	if p.spoil.jitter > 0 {
		delay += rand.N(2*p.spoil.jitter) - p.spoil.jitter
	}
	return time.Now().Add(delay)
}

// arrive waits until data with that due time may arrive. It returns false if the link is
// cut.
func (p *Proxy) arrive(l *link, due time.Time) bool {
	if wait := time.Until(due); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-l.gone:
			return false
		}
	}
	for {
		p.mu.Lock()
		hold := p.spoil.hold
		p.mu.Unlock()
		if hold == nil {
			return true
		}
		select {
		case <-hold:
		case <-l.gone:
			return false
		}
	}
}

// request looks at data that a client has sent. All of it is passed on.
func (p *Proxy) request(l *link, data []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.spoil.cut != nil && bytes.Contains(bytes.ToLower(data), p.spoil.cut) {
		l.doomed = true
	}
	return true
}

// reply looks at data that the server has sent, and reports whether to pass it on.
func (p *Proxy) reply(l *link, _ []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.doomed {
		l.cut()
		return false
	}
	if p.spoil.mute {
		l.lost = true
		return false
	}
	return true
}
