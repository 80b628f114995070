package redistest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// Error is an error that Redis replied with, as opposed to one of the
// connection to it: "MOVED 3999 127.0.0.1:6381".
type Error string

func (e Error) Error() string { return string(e) }

// conn is a connection that speaks RESP2.
type conn struct {
	net.Conn
	r *bufio.Reader
}

// dial connects to addr. The timeout is for everything that is done on the connection.
func dial(addr string, timeout time.Duration) (*conn, error) {
	end := time.Now().Add(timeout)
	c, err := net.DialTimeout("tcp", addr, timeout)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(end); err != nil {
		c.Close()
		return nil, err
	}
	return &conn{Conn: c, r: bufio.NewReader(c)}, nil
}

// do sends one command and reads one reply.
func (c *conn) do(args ...string) (any, error) {
	request := fmt.Appendf(nil, "*%d\r\n", len(args))
	for _, arg := range args {
		request = fmt.Appendf(request, "$%d\r\n%s\r\n", len(arg), arg)
	}
	if _, err := c.Write(request); err != nil {
		return nil, err
	}
	reply, err := c.read()
	if err != nil {
		return nil, err
	}
	if e, ok := reply.(Error); ok {
		return nil, e
	}
	return reply, nil
}

// read returns the next reply: a string, an int64, nil, an [Error], or a []any
// of those.
func (c *conn) read() (any, error) {
	line, err := c.line()
	if err != nil {
		return nil, err
	}
	if line == "" {
		return nil, fmt.Errorf("redistest: empty line in place of a reply")
	}
	kind, rest := line[0], line[1:]
	switch kind {
	case '+':
		return rest, nil
	case '-':
		return Error(rest), nil
	}
	n, err := strconv.ParseInt(rest, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("redistest: not a RESP2 reply: %q", line)
	}
	switch {
	case kind == ':':
		return n, nil
	case (kind == '$' || kind == '*') && n < 0:
		return nil, nil
	case kind == '$':
		data := make([]byte, n+2) // and the CRLF
		if _, err := io.ReadFull(c.r, data); err != nil {
			return nil, err
		}
		return string(data[:n]), nil
	case kind == '*':
		elements := make([]any, n)
		for i := range elements {
			if elements[i], err = c.read(); err != nil {
				return nil, err
			}
		}
		return elements, nil
	}
	return nil, fmt.Errorf("redistest: not a RESP2 reply: %q", line)
}

// line returns the next line without its end.
func (c *conn) line() (string, error) {
	line, err := c.r.ReadString('\n')
	return strings.TrimSuffix(line, "\r\n"), err
}
