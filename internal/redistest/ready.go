package redistest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// readyTimeout is how long a server, or a Cluster, may take to get ready.
const readyTimeout = 30 * time.Second

// awaitReady waits until the process answers.
func (s *Server) awaitReady(p *process) error {
	var err error
	poll(readyTimeout, func() bool {
		err = s.ping(p.pid())
		return err == nil || !p.running()
	})
	switch {
	case err == nil:
		return nil
	case !p.running():
		return fmt.Errorf("redistest: redis-server ended at once; it said:\n%s", s.log())
	default:
		return fmt.Errorf("redistest: redis-server on %s not ready in %v: %w; it said:\n%s", s.Addr(), readyTimeout, err, s.log())
	}
}

// ping returns nil if the process with that id answers at the server's address.
func (s *Server) ping(pid int) error {
	c, err := dial(s.Addr(), time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.do("PING"); err != nil && !denied(err) {
		return err
	}
	// Another test may have taken the port first. Then the answer was that of its server,
	// and ours is about to end.
	info, err := c.info("server")
	if denied(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if info["process_id"] != strconv.Itoa(pid) {
		return errors.New("the port is another server's")
	}
	return nil
}

// denied reports whether err is the reply of a server that is ready, but asks for a password
// or a permission.
func denied(err error) bool {
	var reply Error
	if !errors.As(err, &reply) {
		return false
	}
	code, _, _ := strings.Cut(string(reply), " ")
	return code == "NOAUTH" || code == "NOPERM"
}
