package rueidis

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	client "github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
	"github.com/distributed-rate-limiter/ratelimit/internal/redisurl"
	"github.com/distributed-rate-limiter/ratelimit/internal/wire"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// FuzzReply has a client with Open's settings read any bytes as the reply to a run.
// Nothing must panic, on whatever goroutine, and integers come of nothing but an
// array of them (or a set, which rueidis takes for one).
func FuzzReply(f *testing.F) {
	for _, seed := range []string{
		"*0\r\n", "*1\r\n:5\r\n", "*2\r\n:-1\r\n:9223372036854775807\r\n", "*1\r\n:99999999999999999999\r\n", "*1\r\n:+5\r\n", "*1\r\n:-\r\n",
		"*-1\r\n", "$-1\r\n", "_\r\n", "+OK\r\n", "-ERR x\r\n", "-MOVED 1 127.0.0.1:1\r\n", "-ASK\r\n", "$3\r\nabc\r\n", "$0\r\n\r\n",
		"*2\r\n:1\r\n$1\r\n5\r\n", "*1\r\n*1\r\n:1\r\n", "*2\r\n-ERR x\r\n:1\r\n", "%1\r\n+a\r\n:1\r\n", "~1\r\n:1\r\n", "*1\r\n_\r\n", "*1\r\n#t\r\n",
		"|1\r\n+a\r\n+b\r\n*1\r\n:1\r\n", "!5\r\nERR x\r\n", "=5\r\ntxt:5\r\n", ",1.5\r\n", "#t\r\n", "(123\r\n", "$-5\r\n", "*1\r\n:1\r\n:2\r\n",
		"*3\r\n:1\r\n", "*99999999999\r\n:1\r\n", "*x\r\n", ":\r\n", "?\r\n", ">2\r\n+subscribe\r\n+x\r\n", "$?\r\n;0\r\n",
	} {
		f.Add([]byte(seed))
	}
	script := store.NewScript("x", "return {1}")
	integers := regexp.MustCompile(`^[*~](\d+)\r\n((?::[-+]?\d+\r\n)*)`)
	f.Fuzz(func(t *testing.T, data []byte) {
		o := options(&driver.Target{Config: redisurl.Config{Network: "tcp", Addrs: []string{"nowhere:1"}}}, nil)
		o.DialCtxFn = func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error) {
			return wire.Guard(&canned{reply: string(data), replies: make(chan string, 100), ended: make(chan struct{})}, false), nil
		}
		c, err := client.NewClient(o)
		require.NoError(t, err)
		defer c.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		ints, err := New(c).Run(ctx, script, []string{"k"}, nil)
		if err != nil {
			require.NoError(t, ctx.Err(), "it hangs")
			return
		}
		found := integers.FindStringSubmatch(string(data))
		require.NotNil(t, found, "%v", ints)
		require.Equal(t, found[1], strconv.Itoa(len(ints)))
		for i, line := range strings.Split(found[2], "\r\n")[:len(ints)] {
			want, err := strconv.ParseInt(line[1:], 10, 64)
			require.NoError(t, err)
			require.Equal(t, want, ints[i])
		}
	})
}

// canned is a connection to a server that gives one reply to a script, and then ends.
type canned struct {
	net.Conn
	reply   string
	replies chan string
	rest    string
	ended   chan struct{}
}

func (c *canned) Write(p []byte) (int, error) {
	for range strings.Count(string(p), "HELLO") {
		c.replies <- "%1\r\n+version\r\n+7.0.0\r\n"
	}
	for range strings.Count(string(p), "PING") {
		c.replies <- "+PONG\r\n"
	}
	if strings.Contains(string(p), "EVALSHA") {
		c.replies <- c.reply
		c.replies <- ""
	}
	return len(p), nil
}

func (c *canned) Read(p []byte) (int, error) {
	if c.rest == "" {
		select {
		case c.rest = <-c.replies:
		case <-c.ended:
			return 0, net.ErrClosed
		}
		if c.rest == "" {
			c.replies <- "" // the same again
			return 0, io.EOF
		}
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *canned) Close() error {
	select {
	case <-c.ended:
	default:
		close(c.ended)
	}
	return nil
}

func (c *canned) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *canned) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *canned) SetDeadline(time.Time) error      { return nil }
func (c *canned) SetReadDeadline(time.Time) error  { return nil }
func (c *canned) SetWriteDeadline(time.Time) error { return nil }
