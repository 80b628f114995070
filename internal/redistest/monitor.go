package redistest

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Monitor collects the lines of MONITOR: each command that the server runs.
type Monitor struct {
	t      testing.TB
	server *Server
	conn   *conn
	ended  chan struct{} // closed when conn yields no more

	mu    sync.Mutex
	lines []string
	marks map[string]chan struct{} // closed when the mark comes by
}

// Monitor starts to collect lines, until Stop is called, the test t ends or the server
// ends. Commands that were run before Monitor was called are not collected.
func (s *Server) Monitor(t testing.TB) *Monitor {
	t.Helper()
	c, err := dial(s.Addr(), s.timeout)
	if err != nil {
		t.Fatalf("redistest: MONITOR: %v", err)
	}
	if _, err = c.do("MONITOR"); err == nil {
		err = c.SetDeadline(time.Time{})
	}
	if err != nil {
		c.Close()
		t.Fatalf("redistest: MONITOR on %s: %v", s.Addr(), err)
	}
	m := &Monitor{t: t, server: s, conn: c, ended: make(chan struct{}), marks: make(map[string]chan struct{})}
	go m.collect()
	t.Cleanup(m.close)
	return m
}

// Lines returns the lines so far, in the form
//
//	1700000000.123456 [0 127.0.0.1:50000] "set" "key" "value"
//
// and with "lua" for the address where a script ran the command. Every command
// that was answered before the call is among them.
func (m *Monitor) Lines() []string {
	m.t.Helper()
	m.mark()
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.lines...)
}

// Stop ends the collection and returns the lines, as Lines does.
func (m *Monitor) Stop() []string {
	m.t.Helper()
	lines := m.Lines()
	m.close()
	return lines
}

var marks atomic.Int64

// mark runs a command that nobody else runs, and waits until it is monitored. By then, all
// earlier commands have been monitored too.
func (m *Monitor) mark() {
	m.t.Helper()
	name := fmt.Sprintf("redistest-mark-%d", marks.Add(1))
	seen := make(chan struct{})
	m.mu.Lock()
	m.marks[name] = seen
	m.mu.Unlock()
	if _, err := m.server.Do("ECHO", name); err != nil {
		m.t.Errorf("redistest: MONITOR: the last lines may be missing: %v", err)
		return
	}
	select {
	case <-seen:
	case <-m.ended:
	}
}

func (m *Monitor) collect() {
	defer close(m.ended)
	for {
		line, err := m.conn.line()
		if err != nil {
			return
		}
		m.add(strings.TrimPrefix(line, "+"))
	}
}

// add keeps the line, unless it is a mark.
func (m *Monitor) add(line string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, seen := range m.marks {
		if strings.HasSuffix(line, `"`+name+`"`) {
			delete(m.marks, name)
			close(seen)
			return
		}
	}
	m.lines = append(m.lines, line)
}

func (m *Monitor) close() {
	m.conn.Close()
	<-m.ended
}
