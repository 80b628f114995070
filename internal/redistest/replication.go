package redistest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// AwaitReplica waits until the server is a replica, and has all that its master had when it
// was first asked. (A link that is up does not mean so. A master sends what was written
// since the replica copied its data only after the replica has told it, up to a second
// later, that the copy is done.)
func (s *Server) AwaitReplica(t testing.TB) {
	t.Helper()
	s.await(t, new(replica).check)
}

// AwaitMaster waits until the server says that it is a master.
func (s *Server) AwaitMaster(t testing.TB) {
	t.Helper()
	s.await(t, (*Server).leads)
}

// IsMaster reports whether the server answers, and says that it is a master.
func (s *Server) IsMaster() bool { return s.leads() == nil }

func (s *Server) await(t testing.TB, is func(*Server) error) {
	t.Helper()
	var err error
	if !poll(readyTimeout, func() bool {
		err = is(s)
		return err == nil
	}) {
		t.Fatalf("redistest: %s: not in %v: %v; it said:\n%s", s.Addr(), readyTimeout, err, s.log())
	}
}

// leads returns nil if the server says that it is a master.
func (s *Server) leads() error {
	info, err := replication(s.Addr(), s)
	if err == nil && info["role"] != "master" {
		err = fmt.Errorf("it is a %s", info["role"])
	}
	return err
}

// replica is what is known of a replica.
type replica struct {
	master string // the master's port
	wanted int64  // what the master had when it was first asked
}

// check returns nil if the server is a replica, and has what its master had at first.
func (r *replica) check(s *Server) error {
	info, err := replication(s.Addr(), s)
	if err != nil {
		return err
	}
	if info["role"] != "slave" || info["master_link_status"] != "up" {
		return fmt.Errorf("it is a %s, its link %q", info["role"], info["master_link_status"])
	}
	master, err := replication("127.0.0.1:"+info["master_port"], s)
	if err != nil {
		return err
	}
	if r.master != info["master_port"] {
		r.master = info["master_port"]
		if r.wanted, err = strconv.ParseInt(master["master_repl_offset"], 10, 64); err != nil {
			return err
		}
	}
	// "slave0:ip=127.0.0.1,port=6380,state=online,offset=14,lag=0"
	for name, value := range master {
		if !strings.HasPrefix(name, "slave") || !strings.Contains(value, fmt.Sprintf("port=%d,state=online,", s.port)) {
			continue
		}
		_, rest, _ := strings.Cut(value, "offset=")
		text, _, _ := strings.Cut(rest, ",")
		if offset, err := strconv.ParseInt(text, 10, 64); err != nil || offset < r.wanted {
			return fmt.Errorf("it has %q of its master's %d bytes", text, r.wanted)
		}
		return nil
	}
	return fmt.Errorf("its master does not know it")
}

func replication(addr string, s *Server) (map[string]string, error) {
	c, err := dial(addr, s.timeout)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.info("replication")
}
