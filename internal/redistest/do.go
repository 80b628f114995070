package redistest

import (
	"fmt"
	"strings"
	"testing"
)

// Do runs one command on a connection of its own, and gives up after five
// seconds. It returns a string, an int64, nil, or a []any of those and of
// [Error]. An error that Redis replied with is an [Error].
func (s *Server) Do(args ...string) (any, error) {
	c, err := dial(s.Addr(), s.timeout)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.do(args...)
}

// MustDo is Do for a command that must not fail: if it does, MustDo stops the test t.
func (s *Server) MustDo(t testing.TB, args ...string) any {
	t.Helper()
	reply, err := s.Do(args...)
	if err != nil {
		t.Fatalf("redistest: %s on %s: %v", strings.Join(args, " "), s.Addr(), err)
	}
	return reply
}

// Info returns the fields of one section of INFO ("stats", "commandstats", …).
func (s *Server) Info(section string) map[string]string {
	s.t.Helper()
	c, err := dial(s.Addr(), s.timeout)
	if err != nil {
		s.t.Errorf("redistest: INFO %s: %v", section, err)
		return nil
	}
	defer c.Close()
	info, err := c.info(section)
	if err != nil {
		s.t.Errorf("redistest: INFO %s on %s: %v", section, s.Addr(), err)
	}
	return info
}

func (c *conn) info(section string) (map[string]string, error) {
	return c.fields("INFO", section)
}

// fields runs a command whose reply is lines of "name:value".
func (c *conn) fields(args ...string) (map[string]string, error) {
	reply, err := c.do(args...)
	if err != nil {
		return nil, err
	}
	text, ok := reply.(string)
	if !ok {
		return nil, fmt.Errorf("redistest: %s replied with %T", args[0], reply)
	}
	fields := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok {
			fields[name] = value
		}
	}
	return fields, nil
}
