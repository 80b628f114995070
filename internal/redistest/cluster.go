package redistest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// slots is the number of hash slots of a Cluster.
const slots = 16384

// Cluster is a Redis Cluster of a test: three masters, each with a third of the
// slots.
type Cluster struct {
	// Nodes are the nodes that were masters at first, in the order of their slots.
	Nodes []*Server
	// Replicas has one replica of each of Nodes, or nothing. A failover changes the
	// roles of nodes, but neither of these lists.
	Replicas []*Server
}

// StartCluster starts a Cluster, as [Start] starts a server, with args for each node, and
// returns when every node serves its slots. That takes two seconds or more, because a node
// that starts waits that long before it serves. So share the Cluster between tests if you
// can.
func StartCluster(t testing.TB, args ...string) *Cluster {
	t.Helper()
	const masters = 3
	c := &Cluster{}
	for i := range masters {
		node := startNode(t, args)
		node.MustDo(t, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1)) // otherwise epochs collide
		node.MustDo(t, addSlots(i*slots/masters, (i+1)*slots/masters)...)
		c.Nodes = append(c.Nodes, node)
	}
	for _, node := range c.Nodes[1:] {
		c.meet(t, node)
	}
	c.AwaitReady(t)
	return c
}

func startNode(t testing.TB, args []string) *Server {
	t.Helper()
	return Start(t, append([]string{
		"--cluster-enabled", "yes",
		"--cluster-config-file", "nodes.conf", // in the node's own directory
		"--cluster-node-timeout", "2000",
		"--cluster-announce-ip", "127.0.0.1",
	}, args...)...)
}

// meet makes a node join the Cluster of the first node.
func (c *Cluster) meet(t testing.TB, node *Server) {
	t.Helper()
	c.Nodes[0].MustDo(t, "CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(node.Port()))
}

// AwaitReady waits until every node knows all others and finds the Cluster in order. That
// takes some time after a node was resumed or restarted.
func (c *Cluster) AwaitReady(t testing.TB) {
	t.Helper()
	var err error
	for _, node := range c.all() {
		if !poll(readyTimeout, func() bool {
			err = c.ready(node)
			return err == nil
		}) {
			t.Fatalf("redistest: Cluster not ready in %v: node %s: %v", readyTimeout, node.Addr(), err)
		}
	}
}

// Addrs returns the addresses of Nodes.
func (c *Cluster) Addrs() []string {
	var addrs []string
	for _, node := range c.Nodes {
		addrs = append(addrs, node.Addr())
	}
	return addrs
}

// URL returns all addresses as "redis://host:port?addr=host:port&addr=host:port".
func (c *Cluster) URL() string { return urlOf(c.Addrs()) }

func urlOf(addrs []string) string {
	return "redis://" + addrs[0] + "?addr=" + strings.Join(addrs[1:], "&addr=")
}

// all returns masters and replicas.
func (c *Cluster) all() []*Server { return append(c.Nodes[:len(c.Nodes):len(c.Nodes)], c.Replicas...) }

// ready returns nil if node finds the Cluster in order.
func (c *Cluster) ready(node *Server) error {
	conn, err := dial(node.Addr(), node.timeout)
	if err != nil {
		return err
	}
	defer conn.Close()
	info, err := conn.fields("CLUSTER", "INFO")
	if err != nil {
		return err
	}
	for name, want := range map[string]string{
		"cluster_state":       "ok",
		"cluster_known_nodes": strconv.Itoa(len(c.all())),
		"cluster_size":        strconv.Itoa(len(c.Nodes)),
		"cluster_slots_ok":    strconv.Itoa(slots),
	} {
		if info[name] != want {
			return fmt.Errorf("%s is %q, not %q", name, info[name], want)
		}
	}
	return nil
}

// addSlots returns the command that gives a node the slots from first up to, but not
// including, end. (CLUSTER ADDSLOTSRANGE needs Redis 7.)
func addSlots(first, end int) []string {
	command := []string{"CLUSTER", "ADDSLOTS"}
	for slot := first; slot < end; slot++ {
		command = append(command, strconv.Itoa(slot))
	}
	return command
}
