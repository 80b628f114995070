package drivertest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// fake is a server that replies to each EVALSHA and EVAL exactly what a test wants, byte for
// byte, and to all other commands just enough for clients to connect. It serves as a lone
// server, as the only node of a Cluster, and as a sentinel and its master in one.
type fake struct {
	listener net.Listener
	scripts  atomic.Int64 // how many commands that run a script were received
	conns    atomic.Int64 // how many are open

	mu      sync.Mutex
	reply   string
	instead map[string]string // replies to commands that run no script
}

func startFake(t testing.TB) *fake {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	f := &fake{listener: l}
	var wg sync.WaitGroup
	conns := make(chan net.Conn, 1000)
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	wg.Go(func() {
		defer func() {
			close(conns)
			for conn := range conns {
				_ = conn.Close()
			}
		}()
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns <- conn
			wg.Go(func() { f.serve(conn) })
		}
	})
	return f
}

func (f *fake) addr() string { return f.listener.Addr().String() }

func (f *fake) port() string {
	_, port, _ := net.SplitHostPort(f.addr())
	return port
}

// set sets the reply to scripts from now on.
func (f *fake) set(reply string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reply = reply
}

// say sets the reply to the given commands from now on; all others get their usual replies.
func (f *fake) say(reply string, commands ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.instead = make(map[string]string)
	for _, command := range commands {
		f.instead[command] = reply
	}
}

func (f *fake) serve(conn net.Conn) {
	f.conns.Add(1)
	defer func() {
		_ = conn.Close()
		f.conns.Add(-1)
	}()
	r := bufio.NewReader(conn)
	for {
		args, err := readCommand(r)
		if err != nil {
			return
		}
		reply := "+OK\r\n"
		verb := strings.ToUpper(args[0])
		f.mu.Lock()
		instead := f.instead[verb]
		f.mu.Unlock()
		if instead != "" {
			verb, reply = "", instead
		}
		switch verb {
		case "HELLO":
			reply = "-ERR unknown command 'HELLO'\r\n"
		case "PING":
			reply = "+PONG\r\n"
		case "CLUSTER":
			reply = fmt.Sprintf("*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:%s\r\n", f.port())
		case "SENTINEL":
			if reply = "*0\r\n"; strings.EqualFold(args[1], "GET-MASTER-ADDR-BY-NAME") {
				reply = fmt.Sprintf("*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%s\r\n", len(f.port()), f.port())
			}
		case "ROLE":
			reply = "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
		case "SUBSCRIBE", "UNSUBSCRIBE":
			reply = ""
			for i, channel := range args[1:] {
				reply += fmt.Sprintf("*3\r\n+%s\r\n+%s\r\n:%d\r\n", strings.ToLower(verb), channel, i+1)
			}
		case "EVALSHA", "EVAL":
			f.scripts.Add(1)
			f.mu.Lock()
			reply = f.reply
			f.mu.Unlock()
		}
		if _, err := io.WriteString(conn, reply); err != nil {
			return
		}
	}
}

// readCommand reads an array of bulk strings.
func readCommand(r *bufio.Reader) ([]string, error) {
	n, err := readLength(r, '*')
	if err != nil || n == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	args := make([]string, n)
	for i := range args {
		length, err := readLength(r, '$')
		if err != nil {
			return nil, err
		}
		data := make([]byte, length+2)
		if _, err := io.ReadFull(r, data); err != nil {
			return nil, err
		}
		args[i] = string(data[:length])
	}
	return args, nil
}

func readLength(r *bufio.Reader, kind byte) (int, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return 0, err
	}
	if line[0] != kind {
		return 0, fmt.Errorf("fake: not RESP: %q", line)
	}
	return strconv.Atoi(strings.TrimSpace(line[1:]))
}
