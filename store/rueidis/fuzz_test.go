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

// FuzzReply makes a client with Open's settings read any bytes as the reply to a run. Nothing
// may panic, on any goroutine, and only an array of integers may yield integers (or a set of
// them, which rueidis takes for an array).
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
		o := options(&driver.Target{Config: redisurl.Config{Network: "tcp", Addrs: []string{"nowhere:1"}}}, nil, nil)
		o.DialCtxFn = func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go answer(theirs, string(data))
			return wire.Guard(ours, false), nil
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

// answer is a server that gives one reply to a script, and then ends.
func answer(conn net.Conn, reply string) {
	defer func() { _ = conn.Close() }()
	buffer := make([]byte, 1<<16)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		switch words := string(buffer[:n]); {
		case strings.Contains(words, "HELLO"):
			_, err = io.WriteString(conn, "%1\r\n+version\r\n+7.0.0\r\n")
		case strings.Contains(words, "EVALSHA"):
			_, _ = io.WriteString(conn, reply)
			return
		}
		if err != nil {
			return
		}
	}
}
