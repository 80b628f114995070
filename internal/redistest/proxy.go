package redistest

import (
	"bytes"
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy stands between clients and a server, passes connections on, and spoils them on
// request. Unless its method says otherwise, a fault affects present and future connections,
// until Heal. Methods may be called from any goroutine.
type Proxy struct {
	t      testing.TB
	target string
	port   int
	wait   sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener // nil while connections are refused
	links    map[*link]struct{}
	spoil    spoil
}

// spoil is how data is spoilt on its way through a proxy.
type spoil struct {
	delay, jitter time.Duration
	hold          chan struct{} // nothing passes until it is closed; nil if everything does
	mute          bool          // replies are lost
	cut           []byte        // in lower case; a client that sends this is cut off, not answered
}

// StartProxy starts a proxy to the address target. It ends, with all its goroutines, when
// the test does.
func StartProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	p := &Proxy{t: t, target: target, links: map[*link]struct{}{}}
	const attempts = 10
	for range attempts {
		var ok bool
		if p.port, ok = freePort(); ok && p.listen() == nil {
			t.Cleanup(func() {
				p.Heal()
				p.Refuse()
				p.wait.Wait()
			})
			return p
		}
	}
	t.Fatal("redistest: found no free port for a proxy")
	return nil
}

// Addr returns the proxy's address, "127.0.0.1:12345".
func (p *Proxy) Addr() string { return address(p.port) }

// URL returns the proxy's address as "redis://127.0.0.1:12345".
func (p *Proxy) URL() string { return "redis://" + p.Addr() }

// Delay makes everything that passes take as long as delay, with up to jitter more or less,
// in each direction. Order is kept. Data sets out without waiting for earlier data to
// arrive, so delays do not add up.
func (p *Proxy) Delay(delay, jitter time.Duration) {
	p.set(func(s *spoil) { s.delay, s.jitter = delay, jitter })
}

// Blackhole lets nothing pass, in either direction. Connections stay open, and new ones are
// accepted. Data that was sent meanwhile arrives after Heal, as it does after a network was
// partitioned for a moment.
func (p *Proxy) Blackhole() {
	p.set(func(s *spoil) {
		if s.hold == nil {
			s.hold = make(chan struct{})
		}
	})
}

// MuteReplies lets requests pass, and loses their replies.
func (p *Proxy) MuteReplies() { p.set(func(s *spoil) { s.mute = true }) }

// CutReplies lets requests pass. If a request contains text, in upper or lower case, its
// connection is cut when the reply comes, and the reply is not passed on.
func (p *Proxy) CutReplies(text string) {
	p.set(func(s *spoil) { s.cut = bytes.ToLower([]byte(text)) })
}

// Refuse cuts all connections, and makes new ones fail.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
	p.mu.Unlock()
	p.Cut()
}

// Cut cuts all present connections. New ones are accepted.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.cut()
	}
}

// Heal ends all faults. Connections that have lost something are cut.
func (p *Proxy) Heal() {
	p.t.Helper()
	p.set(func(s *spoil) {
		if s.hold != nil {
			close(s.hold)
		}
		*s = spoil{}
	})
	p.mu.Lock()
	for l := range p.links {
		if l.lost {
			l.cut()
		}
	}
	refuses := p.listener == nil
	p.mu.Unlock()
	if !refuses {
		return
	}
	var err error
	if !poll(readyTimeout, func() bool {
		err = p.listen()
		return err == nil
	}) {
		p.t.Errorf("redistest: the proxy's port is lost: %v", err)
	}
}

func (p *Proxy) set(change func(*spoil)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.spoil)
}

// listen makes the proxy accept connections from now on.
func (p *Proxy) listen() error {
	listener, err := net.Listen("tcp", p.Addr())
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listener = listener
	p.wait.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			p.wait.Go(func() { p.serve(client) })
		}
	})
	return nil
}
