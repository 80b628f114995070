package redistest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Server is a redis-server of a test. Its methods may be called from any goroutine. Those
// that return no error report errors to the test that started the server: they fail that
// test, but do not stop it.
type Server struct {
	t    testing.TB
	path string
	dir  string
	args []string // of the caller
	port int

	timeout time.Duration // of one Do

	mu      sync.Mutex // guards process
	process *process
}

// Start starts a redis-server on a free port of 127.0.0.1, without persistence,
// waits until it answers, and stops it when the test ends. It skips the test if [Binary]
// does.
//
// The args follow the server's other arguments, and so override them:
//
//	Start(t, "--maxmemory", "1mb")
//	Start(t, "--replicaof", "127.0.0.1", strconv.Itoa(master.Port()))
//	Start(t, "--aclfile", path)
//
// A first arg that is not an option is the name of a configuration file, which
// a sentinel needs:
//
//	Start(t, path, "--sentinel")
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	s, err := try(t, args)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// try is Start, but returns an error if the server could not be started.
func try(t testing.TB, args []string) (*Server, error) {
	t.Helper()
	s := &Server{t: t, path: Binary(t), dir: t.TempDir(), args: args, timeout: 5 * time.Second}
	t.Cleanup(s.Kill)
	const attempts = 10
	for range attempts {
		port, ok := freePort()
		if !ok {
			return nil, errors.New("redistest: found no free port")
		}
		s.port = port
		err := s.start()
		if err == nil || !s.lostPort() {
			return s, err
		}
	}
	return nil, fmt.Errorf("redistest: %d ports in a row were taken by others before redis-server was", attempts)
}

// Addr returns the server's address, "127.0.0.1:12345".
func (s *Server) Addr() string { return address(s.port) }

// URL returns the server's address as "redis://127.0.0.1:12345".
func (s *Server) URL() string { return "redis://" + s.Addr() }

// Port returns the server's port, which Restart does not change.
func (s *Server) Port() int { return s.port }

// Pause stops the server as a hung machine would: connections stay open, new
// ones are accepted by the kernel, and nothing answers. Resume undoes it.
func (s *Server) Pause() {
	s.t.Helper()
	s.signal("pause", (*process).pause)
}

// Resume lets a paused server go on. It then answers all that was sent to it
// in the meantime.
func (s *Server) Resume() {
	s.t.Helper()
	s.signal("resume", (*process).resume)
}

// Kill ends the server at once, paused or not, and returns when it is gone:
// connections are reset, and new ones are refused. Killing what is not running
// does nothing.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		s.process.kill()
	}
}

// Restart kills the server if it is running, starts it on the same port and
// directory with the same args, and returns when it answers. What it has not
// written to its directory is lost.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	var err error
	poll(readyTimeout, func() bool {
		err = s.start()
		return err == nil || !s.lostPort()
	})
	if err != nil {
		s.t.Error(err)
	}
}

var errNotStarted = errors.New("the server could not be started")

// signal calls do with the process. An error calls that name.
func (s *Server) signal(name string, do func(*process) error) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	err := errNotStarted
	if s.process != nil {
		err = do(s.process)
	}
	if err != nil {
		s.t.Errorf("redistest: %s %s: %v", name, s.Addr(), err)
	}
}

// start runs the program once and waits until it is ready. On an error nothing
// is left running.
func (s *Server) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	output, err := os.Create(s.logfile())
	if err != nil {
		return fmt.Errorf("redistest: %w", err)
	}
	defer output.Close() // the child has a descriptor of its own
	if s.process, err = startProcess(s.path, s.arguments(), output); err != nil {
		return fmt.Errorf("redistest: %w", err)
	}
	if err := s.awaitReady(s.process); err != nil {
		s.process.kill()
		return err
	}
	return nil
}

// arguments returns the arguments of the program.
func (s *Server) arguments() []string {
	var arguments []string
	args := s.args
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		arguments, args = args[:1:1], args[1:]
	}
	arguments = append(arguments,
		"--port", strconv.Itoa(s.port),
		"--bind", "127.0.0.1",
		"--dir", s.dir,
		"--save", "",
		"--appendonly", "no",
		"--daemonize", "no",
	)
	return append(arguments, args...)
}

func (s *Server) logfile() string { return filepath.Join(s.dir, "redis-server.log") }

// log returns what the server has said since it was last started.
func (s *Server) log() string {
	text, err := os.ReadFile(s.logfile())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// lostPort reports whether the last start failed because the port was taken.
func (s *Server) lostPort() bool {
	return strings.Contains(s.log(), "Address already in use")
}
