package redistest

import (
	"strconv"
	"testing"
)

// StartReplicatedCluster starts a Cluster as [StartCluster] does, with a replica of each
// master. A replica takes over when its master was not heard from for the
// --cluster-node-timeout, and a second or two more.
func StartReplicatedCluster(t testing.TB, args ...string) *Cluster {
	t.Helper()
	args = append([]string{"--repl-diskless-sync-delay", "0"}, args...)
	c := StartCluster(t, args...)
	for range c.Nodes {
		replica := startNode(t, args)
		c.meet(t, replica)
		c.Replicas = append(c.Replicas, replica)
	}
	c.AwaitReady(t) // a node replicates only a node that it knows
	for i, replica := range c.Replicas {
		replica.MustDo(t, "CLUSTER", "REPLICATE", c.Nodes[i].id(t))
	}
	for _, replica := range c.Replicas {
		replica.AwaitReplica(t)
	}
	c.AwaitReady(t)
	return c
}

// id returns the node's name in its Cluster.
func (s *Server) id(t testing.TB) string {
	t.Helper()
	id, _ := s.MustDo(t, "CLUSTER", "MYID").(string)
	return id
}

// Owner returns the node that serves a slot, according to the nodes that answer. It is nil
// if they name none, or do not agree.
func (c *Cluster) Owner(slot int) *Server {
	var owner *Server
	for _, node := range c.all() {
		port, ok := node.ownerOf(slot)
		if !ok {
			continue
		}
		for _, other := range c.all() {
			if other.Port() != port {
				continue
			}
			if owner != nil && owner != other {
				return nil
			}
			owner = other
		}
	}
	return owner
}

// AwaitOwner waits until all nodes that answer agree that owner serves the slot.
func (c *Cluster) AwaitOwner(t testing.TB, slot int, owner *Server) {
	t.Helper()
	if !poll(readyTimeout, func() bool { return c.Owner(slot) == owner }) {
		t.Fatalf("redistest: slot %s is not %s's in %v", strconv.Itoa(slot), owner.Addr(), readyTimeout)
	}
}

// ownerOf returns the port of the node that serves a slot, as s sees it.
func (s *Server) ownerOf(slot int) (int, bool) {
	reply, err := s.Do("CLUSTER", "SLOTS")
	if err != nil {
		return 0, false
	}
	ranges, _ := reply.([]any)
	for _, r := range ranges {
		r, _ := r.([]any) // first, last, the master's [host, port, …], those of replicas
		if len(r) < 3 || r[0].(int64) > int64(slot) || r[1].(int64) < int64(slot) {
			continue
		}
		master, _ := r[2].([]any)
		return int(master[1].(int64)), true
	}
	return 0, false
}
