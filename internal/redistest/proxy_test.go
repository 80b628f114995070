package redistest

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// client connects to the proxy. The connection is good for 10 s.
func client(t *testing.T, p *Proxy) *conn {
	t.Helper()
	c, err := dial(p.Addr(), 10*time.Second)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// silent requires that no reply comes.
func silent(t *testing.T, c *conn) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err := c.do("INCR", "k")
	var late net.Error
	require.ErrorAs(t, err, &late)
	require.True(t, late.Timeout(), "%v", err)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
}

func TestProxy(t *testing.T) {
	s := Start(t)
	p := StartProxy(t, s.Addr())
	require.Equal(t, "redis://"+p.Addr(), p.URL())
	incr := func(c *conn) any {
		reply, err := c.do("INCR", "k")
		require.NoError(t, err)
		return reply
	}
	count := func() any { return s.MustDo(t, "GET", "k") }
	ended := func(c *conn) {
		_, err := c.do("INCR", "k")
		require.Error(t, err)
	}

	c := client(t, p)
	require.Equal(t, int64(1), incr(c))

	t.Run("Delay", func(t *testing.T) {
		p.Delay(20*time.Millisecond, 10*time.Millisecond)
		begin := time.Now()
		require.Equal(t, int64(2), incr(c))
		require.GreaterOrEqual(t, time.Since(begin), 20*time.Millisecond, "10 ms at least in each direction")
		p.Heal()
	})
	t.Run("Blackhole", func(t *testing.T) {
		p.Blackhole()
		silent(t, c)
		late := client(t, p)
		silent(t, late)
		require.Equal(t, "2", count())
		p.Heal()
		for _, c := range []*conn{c, late} {
			_, err := c.read()
			require.NoError(t, err, "what was sent arrives")
		}
		require.Equal(t, "4", count())
	})
	t.Run("MuteReplies", func(t *testing.T) {
		p.MuteReplies()
		silent(t, c)
		require.Equal(t, "5", count())
		p.Heal()
		ended(c)
	})
	t.Run("CutReplies", func(t *testing.T) {
		p.CutReplies("INCR")
		c := client(t, p)
		_, err := c.do("PING")
		require.NoError(t, err)
		_, err = c.do("incr", "k")
		require.Error(t, err)
		require.Equal(t, "6", count(), "it was run")
		p.Heal()
	})
	t.Run("Cut", func(t *testing.T) {
		c := client(t, p)
		incr(c)
		p.Cut()
		ended(c)
		incr(client(t, p))
	})
	t.Run("Refuse", func(t *testing.T) {
		c := client(t, p)
		p.Refuse()
		ended(c)
		_, err := net.Dial("tcp", p.Addr())
		require.ErrorContains(t, err, "refused")
		p.Heal()
		incr(client(t, p))
	})
	t.Run("ServerGone", func(t *testing.T) {
		c := client(t, p)
		s.Kill()
		ended(c)
		ended(client(t, p))
	})
}

// TestProxyPipelines checks that a client may send much before it reads, and that order is
// kept.
func TestProxyPipelines(t *testing.T) {
	s := Start(t)
	p := StartProxy(t, s.Addr())
	p.Delay(5*time.Millisecond, 5*time.Millisecond)
	c := client(t, p)
	const requests = 100
	for range requests {
		_, err := c.Write([]byte("INCR k\r\n"))
		require.NoError(t, err)
	}
	for i := range requests {
		n, err := c.read()
		require.NoError(t, err)
		require.Equal(t, int64(i+1), n)
	}
}
