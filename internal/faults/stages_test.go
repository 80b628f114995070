package faults

import (
	"bufio"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
)

// onServer makes the stage of a fault of one server, which is started with args.
func onServer(fault func(t *testing.T, s *redistest.Server) (begin, end func()), args ...string) func(*testing.T) *stage {
	return func(t *testing.T) *stage {
		s := redistest.Start(t, args...)
		begin, end := fault(t, s)
		return &stage{url: s.URL(), begin: begin, end: end}
	}
}

// onProxy makes the stage of a fault of the network before a server. The fault ends when the
// proxy heals.
func onProxy(fault func(p *redistest.Proxy)) func(*testing.T) *stage {
	return func(t *testing.T) *stage {
		s := redistest.Start(t)
		p := redistest.StartProxy(t, s.Addr())
		return &stage{url: p.URL(), judge: s.URL(), begin: func() { fault(p) }, end: p.Heal}
	}
}

// asUser makes the stage of a fault of a user, whose password is "secret".
func asUser(fault func(t *testing.T, s *redistest.Server) (begin, end func())) func(*testing.T) *stage {
	return func(t *testing.T) *stage {
		s := redistest.Start(t)
		s.MustDo(t, "ACL", "SETUSER", user, "on", ">secret", "~*", "allchannels", "+@all")
		begin, end := fault(t, s)
		return &stage{url: "redis://" + user + ":secret@" + s.Addr(), judge: s.URL(), begin: begin, end: end}
	}
}

const user = "limiter"

// overTLS makes the stage of a fault of certificates. The client trusts authority.
func overTLS(fault func(t *testing.T, s *redistest.Server, authority *redistest.Authority) (begin, end func())) func(*testing.T) *stage {
	return func(t *testing.T) *stage {
		authority := redistest.NewAuthority(t)
		s, url := redistest.StartTLS(t, authority, authority.Issue(t))
		begin, end := fault(t, s, authority)
		return &stage{url: url, options: driver.Options{TLSConfig: authority.Config()}, judge: s.URL(), begin: begin, end: end}
	}
}

// commands makes a fault that begins with some commands and ends with others.
func commands(begin, end [][]string) func(*testing.T, *redistest.Server) (func(), func()) {
	return func(t *testing.T, s *redistest.Server) (func(), func()) {
		all := func(commands [][]string) func() {
			return func() {
				for _, command := range commands {
					s.MustDo(t, command...)
				}
			}
		}
		return all(begin), all(end)
	}
}

// repeated makes a fault that calls do again and again.
func repeated(every time.Duration, do func()) (begin, end func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	begin = func() {
		go func() {
			defer close(done)
			tick := time.NewTicker(every)
			defer tick.Stop()
			for {
				do()
				select {
				case <-tick.C:
				case <-quit:
					return
				}
			}
		}()
	}
	return begin, func() { close(quit); <-done }
}

// say sends commands in one write, so that nothing comes between them, and waits for as many
// replies. Each command and each reply is a line.
func say(t *testing.T, c net.Conn, commands ...string) {
	r := bufio.NewReader(c)
	var text string
	for _, command := range commands {
		text += command + "\r\n"
	}
	_, err := c.Write([]byte(text))
	require.NoError(t, err)
	for _, command := range commands {
		reply, err := r.ReadString('\n')
		require.NoError(t, err)
		require.NotEqual(t, byte('-'), reply[0], "%s: %s", command, reply)
	}
}
