package wire

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

var good = []string{
	"*0\r\n", "*-1\r\n", "$-1\r\n", "$0\r\n\r\n", "_\r\n", "+\r\n", "-ERR x\r\n", ":5\r\n", ":-9223372036854775808\r\n", "$4\r\n\r\n\r\n\r\n",
	"*2\r\n:1\r\n*1\r\n$1\r\nx\r\n", "%1\r\n+a\r\n*2\r\n:1\r\n:2\r\n", "~1\r\n:1\r\n", "%0\r\n", "!5\r\nERR x\r\n", "=5\r\ntxt:5\r\n", ",1.5\r\n", "#t\r\n", "(123\r\n",
	"+" + strings.Repeat("long", 1000) + "\r\n", "*2\r\n-" + strings.Repeat("\r", 40) + "\r\n*0\r\n", "$70000\r\n" + strings.Repeat("\r\n", 35_000) + "\r\n",
	"*100000\r\n" + strings.Repeat(":1\r\n", 100_000), strings.Repeat("*1\r\n", maxDepth) + ":1\r\n",
}

var bad = []string{
	"*99999999999999\r\n", "*300000000\r\n", "*99999999999999999999999\r\n", "*-2\r\n", "*\r\n", "*x\r\n", "*+1\r\n", "*1-1\r\n", "*?\r\n", "* 1\r\n",
	"$99999999999999\r\n", "$-5\r\n", "$\r\n", "$?\r\n", "$" + strings.Repeat("0", 40) + "1\r\n", "%-1\r\n", "%99999999999\r\n", "%9223372036854775807\r\n", "~-1\r\n", ">-1\r\n",
	strings.Repeat("*1\r\n", maxDepth+1), strings.Repeat("*500000\r\n", 2), "+" + strings.Repeat("x", maxSize), "*2\r\n+" + strings.Repeat("x", maxSize),
	"#true\r\n", "#\r\n", "_x\r\n", ":\r\n", ":-\r\n", ":5x\r\n", ":9223372036854775808\r\n", ";1\r\n", ".\r\n", "|1\r\n+a\r\n+b\r\n:1\r\n", "?\r\n", "HTTP/1.1 400 Bad Request\r\n", "\r\n", "\n", "+OK\n", ":5\n", "+\n",
	">2\r\n+message\r\n+x\r\n", "*1\r\n>1\r\n:1\r\n",
}

// TestScanner checks that good replies pass and bad ones do not, whatever pieces they come in.
func TestScanner(t *testing.T) {
	for _, size := range []int{1, 2, 3, 7, 1 << 16} {
		for _, text := range good {
			s := scanner{size: maxSize}
			for range 2 {
				require.NoError(t, feed(&s, text, size), "%.40q", text)
			}
			require.Equal(t, 2, s.values, "%.40q", text)
		}
		for _, text := range bad {
			require.Error(t, feed(&scanner{size: maxSize}, text, size), "%.40q", text)
		}
	}
	s := scanner{size: maxSize, pushes: true}
	require.NoError(t, s.scan([]byte(">2\r\n+message\r\n*1\r\n:1\r\n:5\r\n")))
	require.Equal(t, 1, s.values, "a push answers nothing")
	s = scanner{size: math.MaxInt}
	require.NoError(t, s.scan([]byte("*1000000000\r\n")), "of ours")
}

func feed(s *scanner, text string, size int) error {
	for ; len(text) > 0; text = text[min(size, len(text)):] {
		if err := s.scan([]byte(text[:min(size, len(text))])); err != nil {
			return err
		}
	}
	return nil
}

// talk is a connection on which the server has sent what Reader has. It keeps what is written.
type talk struct {
	net.Conn
	io.Reader
	written bytes.Buffer
	closed  bool
}

func (t *talk) Read(p []byte) (int, error)  { return t.Reader.Read(p) }
func (t *talk) Write(p []byte) (int, error) { return t.written.Write(p) }
func (t *talk) Close() error                { t.closed = true; return nil }

func TestGuard(t *testing.T) {
	const (
		ping      = "*1\r\n$4\r\nPING\r\n"
		subscribe = "*2\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n"
		pushes    = ">2\r\n+x\r\n+y\r\n*2\r\n+message\r\n+x\r\n*2\r\n+message\r\n+x\r\n"
	)
	for _, c := range []struct {
		commands     string
		replies      string
		maySubscribe bool
		ok           bool
	}{
		{ping + ping, "+PONG\r\n*1\r\n:1\r\n", false, true},
		{ping + ping, "+PONG\r\n", false, true},
		{ping, "+PONG\r\n+PONG\r\n", false, false},
		{"", "+PONG\r\n", false, false},
		{"", ">2\r\n+x\r\n+y\r\n", false, false},
		{ping + subscribe, "+PONG\r\n" + pushes, true, true},
		{ping + "*1\r\n$11\r\nUNSUBSCRIBE\r\n" + ping, "+PONG\r\n" + pushes + "+PONG\r\n", true, true},
		{"*2\r\n$10\r\nPSUBSCRIBE\r\n$1\r\n*\r\n", pushes, true, true},
		{subscribe, "*99999999999999\r\n", true, false},
		{subscribe, pushes, false, false},
		// As on the connection to a master behind Sentinel, on which the client may subscribe
		// but does not.
		{ping, "+PONG\r\n", true, true},
		{ping, "+PONG\r\n+PONG\r\n", true, false},
		{ping, ">2\r\n+x\r\n+y\r\n", true, false},
		{"*2\r\n$4\r\nPING\r\n$9\r\nSUBSCRIBE\r\n", "+PONG\r\n+PONG\r\n", true, false},
		{"*1\r\n$10\r\nSUBSCRIBED\r\n", "+PONG\r\n+PONG\r\n", true, false},
		{"*1\r\n$40\r\n" + strings.Repeat("x", 31) + "SUBSCRIBE\r\n", "+PONG\r\n+PONG\r\n", true, false},
		{"*1\r\n:1\r\n*0\r\n" + ping, "+PONG\r\n+PONG\r\n+PONG\r\n+PONG\r\n", true, false},
	} {
		for _, size := range []int{1, 7, 1 << 16} { // of the pieces that are written
			conn := &talk{Reader: iotest.OneByteReader(strings.NewReader(c.replies))}
			guarded := Guard(conn, c.maySubscribe)
			for left := c.commands; len(left) > 0; left = left[min(size, len(left)):] {
				_, err := io.WriteString(guarded, left[:min(size, len(left))])
				require.NoError(t, err)
			}
			require.Equal(t, c.commands, conn.written.String())
			got, err := io.ReadAll(guarded)
			require.Equal(t, c.ok, err == nil, "%+v: %v", c, err)
			require.Equal(t, !c.ok, conn.closed)
			if c.ok {
				require.Equal(t, c.replies, string(got))
				continue
			}
			require.ErrorIs(t, err, errProtocol)
			_, err = guarded.Read(make([]byte, 10))
			require.ErrorIs(t, err, errProtocol, "again")
		}
	}
	_, err := io.WriteString(Guard(&talk{}, false), "PING\r\n")
	require.Error(t, err)
}

// FuzzScanner checks that it makes no difference in which pieces text comes, and that what the
// scanner keeps is bounded.
func FuzzScanner(f *testing.F) {
	for _, text := range append(good, bad...) {
		if len(text) < 1000 {
			f.Add([]byte(text), uint(3))
		}
	}
	f.Add([]byte("*1\r\n$4\r\nPING\r\n*2\r\n$10\r\nPSUBSCRIBE\r\n$1\r\n*\r\n"), uint(3))
	f.Fuzz(func(t *testing.T, text []byte, size uint) {
		whole := scanner{size: maxSize, pushes: true, verbs: true}
		parts := whole
		err := whole.scan(text)
		require.Equal(t, err, feed(&parts, string(text), int(max(1, size%100))))
		if err == nil {
			require.Equal(t, fmt.Sprint(whole.values, whole.pending, whole.skip, whole.room, whole.subscribes), fmt.Sprint(parts.values, parts.pending, parts.skip, parts.room, parts.subscribes))
		}
		require.LessOrEqual(t, len(whole.pending), maxDepth)
		require.LessOrEqual(t, cap(whole.line), 2*maxHeader)
		require.LessOrEqual(t, cap(whole.verb), 2*maxVerb)
	})
}

func BenchmarkScanner(b *testing.B) {
	key := "$85\r\n" + strings.Repeat("k", 85) + "\r\n"
	for name, text := range map[string]string{
		"Reply":   "*4\r\n:1700000000123456\r\n:0\r\n:99\r\n:600000\r\n",
		"Command": "*99\r\n$7\r\nEVALSHA\r\n" + strings.Repeat(key, 98),
	} {
		b.Run(name, func(b *testing.B) {
			s := scanner{size: maxSize}
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for whole := []byte(text); b.Loop(); {
				if err := s.scan(whole); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
