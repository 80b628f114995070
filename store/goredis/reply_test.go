package goredis

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// FuzzReply makes go-redis read any bytes as the reply to a command. Type reply must not
// panic, and must yield integers only where go-redis itself reads the same ones.
func FuzzReply(f *testing.F) {
	for _, seed := range []string{
		"*0\r\n", "*1\r\n:5\r\n", "*2\r\n:-1\r\n:9223372036854775807\r\n", "*1\r\n:99999999999999999999\r\n",
		"*-1\r\n", "$-1\r\n", "_\r\n", "+OK\r\n", "-ERR x\r\n", "-MOVED 1 127.0.0.1:1\r\n", "$3\r\nabc\r\n", "$0\r\n\r\n",
		"*2\r\n:1\r\n$1\r\n5\r\n", "*1\r\n*1\r\n:1\r\n", "*2\r\n-ERR x\r\n:1\r\n", "%1\r\n+a\r\n:1\r\n", "~1\r\n:1\r\n",
		"|1\r\n+a\r\n+b\r\n*1\r\n:1\r\n", "!5\r\nERR x\r\n", "=5\r\ntxt:5\r\n", ",1.5\r\n", "#t\r\n", "(123\r\n",
		"*3\r\n:1\r\n", "*99999999999\r\n:1\r\n", "*x\r\n", ":\r\n", "?\r\n", "*1\r\n:+5\r\n", "*1\r\n:0x5\r\n", "*1\r\n:1_0\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		call := &call{}
		err := read(call.command(context.Background(), evalsha, "", nil, nil, false), data)
		if err != nil {
			return
		}
		ints, err := call.reply.integers()
		plain := redis.NewCmd(context.Background(), "x")
		plainErr := read(plain, data)
		if err != nil {
			require.ErrorIs(t, err, store.ErrReply)
			return
		}
		require.NoError(t, plainErr)
		want, ok := plain.Val().([]any)
		require.True(t, ok)
		require.Len(t, ints, len(want))
		for i := range ints {
			require.Equal(t, want[i], any(ints[i]))
		}
	})
}

// read makes go-redis run cmd on a connection that yields data and then ends.
func read(cmd redis.Cmder, data []byte) error {
	client := redis.NewClient(&redis.Options{
		Dialer: func(context.Context, string, string) (net.Conn, error) {
			// The error is the reply to HELLO.
			return &canned{Reader: bytes.NewReader(append([]byte("-ERR unknown command\r\n"), data...))}, nil
		},
		MaxRetries: -1, Protocol: 2, DisableIdentity: true, DialerRetries: 1, ReadTimeout: -2, WriteTimeout: -2,
	})
	defer func() { _ = client.Close() }()
	return client.Process(context.Background(), cmd)
}

// canned is a connection that yields prepared bytes, and does nothing else.
type canned struct {
	net.Conn
	io.Reader
}

func (c *canned) Read(p []byte) (int, error)       { return c.Reader.Read(p) }
func (c *canned) Write(p []byte) (int, error)      { return len(p), nil }
func (c *canned) Close() error                     { return nil }
func (c *canned) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *canned) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *canned) SetDeadline(time.Time) error      { return nil }
func (c *canned) SetReadDeadline(time.Time) error  { return nil }
func (c *canned) SetWriteDeadline(time.Time) error { return nil }

func TestReplyAcrossRedirection(t *testing.T) {
	r := &reply{want: -1}
	for _, line := range []string{"-MOVED 1 127.0.0.1:1"} {
		_, err := io.WriteString(r, line)
		moved, ok := redis.IsMovedError(err)
		require.True(t, ok)
		require.Equal(t, "127.0.0.1:1", moved)
	}
	for _, part := range []string{"*2", "\r\n", ":1", "\r\n", ":2", "\r\n"} {
		_, err := fmt.Fprint(r, part)
		require.NoError(t, err)
	}
	ints, err := r.integers()
	require.NoError(t, err)
	require.Equal(t, []int64{1, 2}, ints)
}
