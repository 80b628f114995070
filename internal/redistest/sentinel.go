package redistest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// SentinelGroup is a master with replicas, and three sentinels that watch it. They replace
// it about a second after they last heard from it.
type SentinelGroup struct {
	// Name is what the sentinels call the master.
	Name string
	// Servers are the server that was the master at first, and then its replicas.
	Servers   []*Server
	Sentinels []*Server
}

// paces are the intervals of the sentinels, in milliseconds. The sentinels ask and tell more
// often than by default. So a master that comes back is a replica after two seconds, not
// twenty, and a new master has been asked before it is taken to be down. The TILT intervals
// are for a sentinel that a busy machine holds up. After half a second of that, not two, it
// stops trusting what it sees, for a second and a half, not thirty seconds.
var paces = []string{
	"INFO-PERIOD", "1000", "PUBLISH-PERIOD", "400", "PING-PERIOD", "200",
	"TILT-TRIGGER", "500", "TILT-PERIOD", "1500",
}

// StartSentinelGroup starts a master with that number of replicas, and three sentinels. It
// returns when all know each other and the replicas have what the master has.
func StartSentinelGroup(t testing.TB, replicas int) *SentinelGroup {
	t.Helper()
	Needs(t, 7, 0) // SENTINEL DEBUG
	const sentinels, quorum = 3, 2
	const soon = "0" // seconds that a master waits for more replicas to serve at once
	master := Start(t, "--repl-diskless-sync-delay", soon)
	g := &SentinelGroup{Name: "main", Servers: []*Server{master}}
	for range replicas {
		g.Servers = append(g.Servers, Start(t,
			"--replicaof", "127.0.0.1", strconv.Itoa(master.Port()), "--repl-diskless-sync-delay", soon))
	}
	for _, replica := range g.Servers[1:] {
		replica.AwaitReplica(t)
	}
	for range sentinels {
		// A sentinel rewrites its file, so each has one of its own.
		config := filepath.Join(t.TempDir(), "sentinel.conf")
		text := strings.Join([]string{
			fmt.Sprintf("sentinel monitor %s 127.0.0.1 %d %d", g.Name, master.Port(), quorum),
			"sentinel down-after-milliseconds " + g.Name + " 1000",
			"sentinel failover-timeout " + g.Name + " 3000",
			"sentinel parallel-syncs " + g.Name + " 5",
		}, "\n") + "\n"
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatalf("redistest: %v", err)
		}
		sentinel := Start(t, config, "--sentinel")
		sentinel.MustDo(t, append([]string{"SENTINEL", "DEBUG"}, paces...)...)
		g.Sentinels = append(g.Sentinels, sentinel)
	}
	g.AwaitReady(t)
	return g
}

// AwaitReady waits until every sentinel knows the other sentinels and all servers, and finds
// the servers in order.
func (g *SentinelGroup) AwaitReady(t testing.TB) {
	t.Helper()
	const limit = 30 * time.Second
	var err error
	for _, sentinel := range g.Sentinels {
		if !poll(limit, func() bool {
			err = g.ready(sentinel)
			return err == nil
		}) {
			t.Fatalf("redistest: sentinel %s is not ready in %v: %v; it said:\n%s", sentinel.Addr(), limit, err, sentinel.log())
		}
	}
}

// ready returns nil if the sentinel finds the group in order.
func (g *SentinelGroup) ready(sentinel *Server) error {
	master, err := sentinel.Do("SENTINEL", "MASTER", g.Name)
	if err != nil {
		return err
	}
	fields := pairs(master)
	for name, want := range map[string]string{
		"flags":               "master",
		"num-slaves":          strconv.Itoa(len(g.Servers) - 1),
		"num-other-sentinels": strconv.Itoa(len(g.Sentinels) - 1),
	} {
		if fields[name] != want {
			return fmt.Errorf("%s is %q, not %q", name, fields[name], want)
		}
	}
	replicas, err := sentinel.Do("SENTINEL", "REPLICAS", g.Name)
	if err != nil {
		return err
	}
	list, _ := replicas.([]any)
	for _, replica := range list {
		fields := pairs(replica)
		if fields["flags"] != "slave" || fields["master-link-status"] != "ok" {
			return fmt.Errorf("replica %s: flags %q, link %q", fields["name"], fields["flags"], fields["master-link-status"])
		}
	}
	return nil
}

// pairs returns a list of names and values as a map.
func pairs(reply any) map[string]string {
	list, _ := reply.([]any)
	fields := make(map[string]string)
	for i := 0; i+1 < len(list); i += 2 {
		name, _ := list[i].(string)
		fields[name], _ = list[i+1].(string)
	}
	return fields
}

// Master returns the server that all sentinels name as the master, or nil if they
// do not agree.
func (g *SentinelGroup) Master() *Server {
	var master *Server
	for _, sentinel := range g.Sentinels {
		reply, err := sentinel.Do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", g.Name)
		addr, ok := reply.([]any)
		if err != nil || !ok || len(addr) != 2 {
			return nil
		}
		host, _ := addr[0].(string)
		port, _ := addr[1].(string)
		for _, server := range g.Servers {
			if server.Addr() != net.JoinHostPort(host, port) {
				continue
			}
			if master != nil && master != server {
				return nil
			}
			master = server
		}
	}
	return master
}

// AwaitMasterOtherThan waits until all sentinels name a master other than old, and returns
// it.
func (g *SentinelGroup) AwaitMasterOtherThan(t testing.TB, old *Server) *Server {
	t.Helper()
	const limit = 30 * time.Second
	var master *Server
	if !poll(limit, func() bool {
		master = g.Master()
		return master != nil && master != old && master.IsMaster()
	}) {
		t.Fatalf("redistest: no other master than %s in %v", old.Addr(), limit)
	}
	return master
}

// AwaitRejoined waits until the sentinels have made old, which was the master, a replica,
// and the group is in order.
func (g *SentinelGroup) AwaitRejoined(t testing.TB, old *Server) {
	t.Helper()
	var err error
	var r replica
	if !poll(readyTimeout, func() bool {
		err = r.check(old)
		return err == nil
	}) {
		for _, sentinel := range g.Sentinels {
			t.Logf("sentinel %s said:\n%s", sentinel.Addr(), sentinel.log())
		}
		t.Fatalf("redistest: %s is no replica in %v: %v; it said:\n%s", old.Addr(), readyTimeout, err, old.log())
	}
	g.AwaitReady(t)
}

// Addrs returns the addresses of the sentinels.
func (g *SentinelGroup) Addrs() []string {
	var addrs []string
	for _, sentinel := range g.Sentinels {
		addrs = append(addrs, sentinel.Addr())
	}
	return addrs
}

// URL returns the addresses of the sentinels in the form of [Cluster.URL].
func (g *SentinelGroup) URL() string { return urlOf(g.Addrs()) }
