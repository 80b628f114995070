package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// server is a redis-server of our own. It listens on 127.0.0.1 only, keeps its files in a
// temporary folder, and has no persistence.
type server struct {
	addr  string
	dir   string
	child *exec.Cmd
	ended chan struct{} // closed when the child has ended
}

const (
	readyTimeout = 30 * time.Second
	// databases is enough for one per contestant; Redis's default is 16.
	databases = 64
)

var errNoServer = errors.New("redis-server is not installed, or not in PATH: " +
	"install it (apt-get install redis-server, brew install redis), or name a running, empty Redis by -redis host:port")

// startServer starts a redis-server and returns when it answers.
func startServer(ctx context.Context) (*server, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, errNoServer
	}
	const attempts = 5 // another program may take the port before redis-server does
	for range attempts {
		var s *server
		if s, err = launch(ctx, path); err == nil {
			return s, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, err
}

// launch tries to start the server on one free port.
func launch(ctx context.Context, path string) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, fmt.Errorf("find a free port: %w", err)
	}
	dir, err := os.MkdirTemp("", "ratelimit-benchmarks-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for redis-server: %w", err)
	}
	s := &server{addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), dir: dir, ended: make(chan struct{})}
	said := &bytes.Buffer{}
	s.child = exec.Command(path, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir,
		"--save", "", "--appendonly", "no", "--daemonize", "no", "--databases", strconv.Itoa(databases),
		"--logfile", "", "--pidfile", filepath.Join(dir, "redis.pid"))
	s.child.Stdout, s.child.Stderr = said, said
	s.child.SysProcAttr = ownGroup()
	started := make(chan error, 1)
	go func() {
		// To the kernel, the parent is the thread that starts the child, so this thread
		// must not end before the child does.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(s.ended)
		err := s.child.Start()
		started <- err
		if err == nil {
			_ = s.child.Wait() // the server's output says how it ended
		}
	}()
	if err := <-started; err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("start redis-server: %w", err)
	}
	if err := s.awaitReady(ctx); err != nil {
		s.stop() // after this nobody writes to said
		return nil, fmt.Errorf("start redis-server: %w; it said:\n%s", err, said)
	}
	return s, nil
}

// awaitReady waits until this server answers, and not another one on its port.
func (s *server) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	client := redis.NewClient(&redis.Options{Addr: s.addr, MaxRetries: -1, DialerRetries: 1})
	defer client.Close()
	pid := "process_id:" + strconv.Itoa(s.child.Process.Pid)
	for {
		info, err := client.Info(ctx, "server").Result()
		if err == nil && strings.Contains(info, pid+"\r\n") {
			return nil
		}
		select {
		case <-s.ended:
			return errors.New("it ended at once")
		case <-ctx.Done():
			return fmt.Errorf("it is not ready: %w", errors.Join(ctx.Err(), err))
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// stop kills the server's process, waits for its end, and removes its folder.
func (s *server) stop() {
	_ = s.child.Process.Kill() // fails only if it has ended by itself
	<-s.ended
	os.RemoveAll(s.dir)
}

// freePort returns a port that is free at the moment.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
