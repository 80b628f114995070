package faults

import (
	"slices"
	"testing"
	"time"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
)

func TestCluster(t *testing.T) {
	needs(t)
	tryOn(t, func(t *testing.T) *redistest.Cluster { return redistest.StartReplicatedCluster(t) }, clusterFaults)
}

// single is the parties that are not joint. While a slot moves, Redis cannot decide about two
// of its keys together, one of which has moved.
var single = slices.DeleteFunc(slices.Clone(parties), func(p party) bool { return p.joint })

// tagged is single, with all keys of each party in one slot. They have more identities than
// otherwise, so that a run has keys on both nodes, whichever keys were moved first.
var tagged = func() (tagged []party) {
	for _, p := range single {
		p.name, p.identities = "{"+p.name+"}", 4*p.identities
		tagged = append(tagged, p)
	}
	return tagged
}()

// failing is a slot of the node that fails. That node has 9 of the 25 keys of single, and all
// keys of joint calls. No key of the load is in this slot.
const failing = 8000

// clusterFaults returns the faults of a Cluster.
func clusterFaults(c *redistest.Cluster) []fault {
	on := func(patience string, fault func(t *testing.T) (begin, end func())) func(*testing.T) *stage {
		return func(t *testing.T) *stage {
			for _, nodes := range [][]*redistest.Server{c.Nodes, c.Replicas} {
				for _, node := range nodes {
					node.MustDo(t, "CONFIG", "SET", "cluster-node-timeout", patience)
				}
			}
			for _, node := range masters(c) {
				node.MustDo(t, "FLUSHALL")
				node.MustDo(t, "CONFIG", "RESETSTAT")
			}
			for _, nodes := range [][]*redistest.Server{c.Nodes, c.Replicas} {
				for _, node := range nodes {
					if !node.IsMaster() {
						node.AwaitReplica(t)
					}
				}
			}
			begin, end := fault(t)
			return &stage{url: c.URL(), options: driver.Options{Cluster: true}, begin: begin, end: end}
		}
	}
	// For cluster-node-timeout: how many milliseconds a node may be silent before the others
	// give it up. quick is for replacing a node. slow, where none is to be replaced, is longer
	// than a busy machine holds one up. handover is for replacing a node that is well: after a
	// vote, the other nodes give no second one for twice as long.
	const quick, handover, slow = "2000", "5000", "15000"
	return []fault{
		{
			name:     "Cluster: a master killed, a replica takes over",
			caller:   "the failure mode's answer, at once, for the keys of that node, and for all (CLUSTERDOWN) from when it is given up until it is replaced",
			charged:  "at most once; what was not replicated is forgotten",
			returns:  "when the client has learnt who the new master is",
			classes:  away(ratelimit.ClassRefused, ratelimit.ClassUnavailable),
			rare:     []ratelimit.ErrorClass{ratelimit.ClassTimeout, ratelimit.ClassOverloaded},
			losses:   1,
			defaults: true,
			timeout:  defaultTimeout,
			stage: on(quick, func(t *testing.T) (begin, end func()) {
				old := c.Owner(failing)
				t.Cleanup(func() {
					old.Restart()
					rejoined(t, c, old)
				})
				return old.Kill, func() { tookOver(t, c, old) }
			}),
		},
		{
			name:    "Cluster: a master hung until a replica takes over, then back as a replica",
			caller:  "the failure mode's answer, by the timeout, for the keys of that node, and for all (CLUSTERDOWN) from when it is given up until it is replaced",
			charged: "at most once; what was not replicated is forgotten",
			returns: "when the client has learnt who the new master is",
			classes: away(ratelimit.ClassTimeout, ratelimit.ClassUnavailable),
			rare:    []ratelimit.ErrorClass{ratelimit.ClassOverloaded},
			losses:  1,
			stage: on(quick, func(t *testing.T) (begin, end func()) {
				old := c.Owner(failing)
				return old.Pause, func() {
					awaitOther(t, c, old)
					old.Resume()
					rejoined(t, c, old)
				}
			}),
		},
		{
			name:    "Cluster: a node hung, the others well",
			caller:  "the failure mode's answer, by the timeout, for the keys of that node; Redis's for the others",
			charged: "at most once: what was sent is run when the node wakes up",
			returns: "with the first answer",
			classes: away(ratelimit.ClassTimeout),
			rare:    []ratelimit.ErrorClass{ratelimit.ClassOverloaded},
			mostly:  true,
			lasts:   1500 * time.Millisecond, // until the breaker opens
			stage: on(slow, func(t *testing.T) (begin, end func()) {
				node := c.Owner(failing)
				return node.Pause, node.Resume
			}),
		},
		{
			name:     "Cluster: slots moved under load",
			caller:   "Redis's answer, after one more round trip (MOVED, ASK), or two for keys of several slots",
			charged:  "as answered",
			returns:  "at once",
			answers:  true,
			defaults: true,
			parties:  single,
			lasts:    1500 * time.Millisecond,
			stage: on(slow, func(t *testing.T) (begin, end func()) {
				var slots []int
				moves := 0
				start, stop := repeated(5*time.Millisecond, func() {
					slot := slots[moves%len(slots)]
					c.MoveSlot(t, slot, other(c, slot))
					moves++
				})
				return func() {
						slots = slotsInUse(t, c)
						start()
					}, func() {
						stop()
						t.Logf("%d moves of %d slots", moves, len(slots))
						redirected(t, c, "MOVED")
						redirected(t, c, "ASK")
					}
			}),
		},
		{
			name:     "Cluster: a slot left half-way between two nodes",
			caller:   "Redis's answer, after one more round trip (ASK), or two for several keys of that slot (TRYAGAIN), and one more for keys of several slots",
			charged:  "as answered",
			returns:  "at once",
			answers:  true,
			defaults: true,
			parties:  tagged,
			stage: on(slow, func(t *testing.T) (begin, end func()) {
				var moves []*redistest.Move
				return func() {
						for _, p := range tagged {
							slot := c.Slot(t, p.name)
							move := c.BeginMove(t, slot, other(c, slot))
							move.Keys(t, p.identities/2)
							moves = append(moves, move)
						}
					}, func() {
						redirected(t, c, "ASK")
						redirected(t, c, "TRYAGAIN")
						for _, move := range moves {
							move.End(t)
						}
					}
			}),
		},
		{
			name:    "Cluster: SCRIPT FLUSH on all nodes, again and again",
			caller:  "Redis's answer, after one more round trip",
			charged: "as answered",
			returns: "at once",
			answers: true,
			stage: on(slow, func(t *testing.T) (begin, end func()) {
				return repeated(5*time.Millisecond, func() {
					for _, node := range c.Nodes {
						node.MustDo(t, "SCRIPT", "FLUSH")
					}
				})
			}),
		},
		{
			name:    "Cluster: CLUSTER FAILOVER, as before maintenance",
			caller:  "Redis's answer, late by the time of the handover, after one more round trip (MOVED), or two for keys of several slots",
			charged: "as answered",
			returns: "at once",
			answers: true,
			stage: on(handover, func(t *testing.T) (begin, end func()) {
				old := c.Owner(failing)
				return func() { replicaOf(t, c, old).MustDo(t, "CLUSTER", "FAILOVER") }, func() { tookOver(t, c, old) }
			}),
		},
	}
}

// redirected checks that some node gave replies with the code. Otherwise nothing was tested.
func redirected(t *testing.T, c *redistest.Cluster, code string) {
	for _, nodes := range [][]*redistest.Server{c.Nodes, c.Replicas} {
		for _, node := range nodes {
			if node.Info("errorstats")["errorstat_"+code] != "" {
				return
			}
		}
	}
	t.Errorf("no node replied with %s", code)
}

// masters returns the nodes that are masters.
func masters(c *redistest.Cluster) (masters []*redistest.Server) {
	for _, nodes := range [][]*redistest.Server{c.Nodes, c.Replicas} {
		for _, node := range nodes {
			if node.IsMaster() {
				masters = append(masters, node)
			}
		}
	}
	return masters
}

// other returns a master that does not have the slot.
func other(c *redistest.Cluster, slot int) *redistest.Server {
	owner := c.Owner(slot)
	all := masters(c)
	for i, node := range all {
		if node == owner {
			return all[(i+1)%len(all)]
		}
	}
	return nil
}

// replicaOf returns the other node of a pair: the replica of a node, or the node whose replica
// it is.
func replicaOf(t *testing.T, c *redistest.Cluster, node *redistest.Server) *redistest.Server {
	for i := range c.Nodes {
		switch node {
		case c.Nodes[i]:
			return c.Replicas[i]
		case c.Replicas[i]:
			return c.Nodes[i]
		}
	}
	t.Fatal("no node of the Cluster")
	return nil
}

// awaitOther waits until the replica of a node says that it has replaced the node.
func awaitOther(t *testing.T, c *redistest.Cluster, old *redistest.Server) {
	replicaOf(t, c, old).AwaitMaster(t)
}

// tookOver waits until all nodes that answer know the node that replaced old.
func tookOver(t *testing.T, c *redistest.Cluster, old *redistest.Server) {
	awaitOther(t, c, old)
	c.AwaitOwner(t, failing, replicaOf(t, c, old))
}

// rejoined waits until old is a replica, and the Cluster is ready.
func rejoined(t *testing.T, c *redistest.Cluster, old *redistest.Server) {
	old.AwaitReplica(t)
	c.AwaitReady(t)
}

// slotsInUse returns the slots that have keys.
func slotsInUse(t *testing.T, c *redistest.Cluster) (slots []int) {
	for _, node := range masters(c) {
		keys, _ := node.MustDo(t, "KEYS", "*").([]any)
		for _, key := range keys {
			key, _ := key.(string)
			slots = append(slots, c.Slot(t, key))
		}
	}
	return slots
}
