package redistest

import (
	"strconv"
	"strings"
	"testing"
)

// Move is a slot on its way from one node to another, in the steps and the order of
// redis-cli. Until End, the old node serves the keys that it still has, and redirects by
// ASK for all others.
type Move struct {
	cluster  *Cluster
	slot     string
	From, To *Server
}

// Slot returns the slot of a key.
func (c *Cluster) Slot(t testing.TB, key string) int {
	t.Helper()
	slot, _ := c.Nodes[0].MustDo(t, "CLUSTER", "KEYSLOT", key).(int64)
	return int(slot)
}

// BeginMove marks a slot as moving to another node from the one that has it.
func (c *Cluster) BeginMove(t testing.TB, slot int, to *Server) *Move {
	t.Helper()
	from := c.Owner(slot)
	if from == nil || from == to {
		t.Fatalf("redistest: slot %d: no other node is known to have it", slot)
	}
	m := &Move{cluster: c, slot: strconv.Itoa(slot), From: from, To: to}
	to.MustDo(t, "CLUSTER", "SETSLOT", m.slot, "IMPORTING", from.id(t))
	from.MustDo(t, "CLUSTER", "SETSLOT", m.slot, "MIGRATING", to.id(t))
	return m
}

// Keys moves up to n of the keys that are left, and returns how many it moved.
func (m *Move) Keys(t testing.TB, n int) int {
	t.Helper()
	const atOnce = 10 // as redis-cli does by default
	moved := 0
	for moved < n {
		reply, _ := m.From.MustDo(t, "CLUSTER", "GETKEYSINSLOT", m.slot, strconv.Itoa(min(atOnce, n-moved))).([]any)
		if len(reply) == 0 {
			break
		}
		command := []string{"MIGRATE", "127.0.0.1", strconv.Itoa(m.To.Port()), "", "0", "5000", "KEYS"}
		for _, key := range reply {
			key, _ := key.(string)
			command = append(command, key)
		}
		m.From.MustDo(t, command...)
		moved += len(reply)
	}
	return moved
}

// End moves the keys that are left and gives the slot to its new node. It tells that node
// first, then the old one, then the other masters.
func (m *Move) End(t testing.TB) {
	t.Helper()
	m.Keys(t, 1<<30)
	id := m.To.id(t)
	m.To.MustDo(t, "CLUSTER", "SETSLOT", m.slot, "NODE", id)
	// Keys may have expired since they were listed, but no new ones can have been written.
	// So the old node has no keys left; if it had, it would refuse this.
	m.From.MustDo(t, "CLUSTER", "SETSLOT", m.slot, "NODE", id)
	for _, node := range m.cluster.all() {
		if node == m.To || node == m.From {
			continue
		}
		_, err := node.Do("CLUSTER", "SETSLOT", m.slot, "NODE", id)
		if err != nil && !strings.Contains(err.Error(), "only with masters") { // a replica follows by itself
			t.Fatalf("redistest: SETSLOT on %s: %v", node.Addr(), err)
		}
	}
}

// MoveSlot moves a slot with its keys.
func (c *Cluster) MoveSlot(t testing.TB, slot int, to *Server) {
	t.Helper()
	c.BeginMove(t, slot, to).End(t)
}
