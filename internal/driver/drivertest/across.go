package drivertest

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// addAcross adds one to each key, if all keys are on this server.
var addAcross = store.NewScript("add across", `
local reply = {#KEYS}
for i = 2, ARGV[1] + 1 do
  if type(redis.pcall('GET', ARGV[i])) == 'table' then return redis.error_reply('CROSSSLOT not here') end
end
for i = 2, ARGV[1] + 1 do reply[i] = redis.call('INCR', ARGV[i]) end
return reply`)

// spanning is what the Store of a Cluster implements.
type spanning interface {
	store.Store
	store.Partitioned
	store.Pipelined
	store.Spanning
}

// across: keys in several slots of one node are in one run, and nothing is run if one of
// them is not on that node or is migrating.
func across(t *testing.T, d Driver) {
	c := redistest.StartCluster(t)
	opened := open1(t, d, c.URL(), withCluster)
	s, ok := opened.(spanning)
	require.True(t, ok)

	// Three keys for each node, in slots of their own.
	keys := map[*redistest.Server][]string{}
	var runs []store.Run
	for i := 0; len(runs) < 3*len(c.Nodes); i++ {
		key := fmt.Sprint("across", i)
		if node := c.Owner(c.Slot(t, key)); len(keys[node]) < 3 {
			keys[node] = append(keys[node], key)
			runs = append(runs, store.Run{Keys: []string{key}})
		}
	}
	server := func(key string) (uint64, bool) {
		partition, _ := s.Partition(key)
		return s.Server(partition)
	}
	learnt := func() error {
		s.RunAll(context.Background(), store.NewScript("none", "return {}"), runs)
		for _, r := range runs {
			if _, ok := server(r.Keys[0]); !ok {
				return fmt.Errorf("the server of %q is not known", r.Keys[0])
			}
		}
		return nil
	}
	eventually(t, learnt)
	seen := map[uint64]bool{}
	for _, keys := range keys {
		node, _ := server(keys[0])
		require.False(t, seen[node], "another's")
		seen[node] = true
		for _, key := range keys {
			its, _ := server(key)
			require.Equal(t, node, its)
		}
	}

	add := func(keys ...string) ([]int64, error) {
		runs := []store.Run{{Keys: keys}}
		s.RunAcross(context.Background(), addAcross, runs)
		return runs[0].Reply, runs[0].Err
	}
	a, b := c.Nodes[0], c.Nodes[1]
	mustRefuse := func(keys ...string) {
		reply, err := add(keys...)
		require.Nil(t, reply)
		server := (*store.ServerError)(nil)
		require.ErrorAs(t, err, &server)
		require.Equal(t, "CROSSSLOT", server.Prefix())
	}
	for want := int64(1); want <= 3; want++ {
		reply, err := add(keys[a]...)
		require.NoError(t, err)
		require.Equal(t, []int64{0, want, want, want}, reply, "no KEYS")
		for _, node := range c.Nodes {
			node.MustDo(t, "SCRIPT", "FLUSH")
		}
	}

	mustRefuse(keys[a][0], keys[b][0])
	_, ok = server(keys[a][0])
	require.False(t, ok, "it was wrong")
	eventually(t, learnt)

	// Two slots migrate from one node to another at the same time. The first slot has no
	// keys, so Redis would redirect a command for one of its keys to the other node (ASK).
	// That node must not decide about the key in the second slot, which has not arrived.
	slot := func(key string) int { return c.Slot(t, key) }
	value := func(node *redistest.Server, key string) any { return node.MustDo(t, "GET", key) }
	empty, full := keys[a][0], keys[a][1]
	a.MustDo(t, "DEL", empty)
	moves := []*redistest.Move{c.BeginMove(t, slot(empty), b), c.BeginMove(t, slot(full), b)}
	mustRefuse(empty, full)
	mustRefuse(full, empty)
	require.Equal(t, "3", value(a, full))
	for _, node := range []*redistest.Server{a, b} {
		require.EqualValues(t, 0, node.MustDo(t, "CLUSTER", "COUNTKEYSINSLOT", fmt.Sprint(slot(empty))))
	}
	require.EqualValues(t, 0, b.MustDo(t, "CLUSTER", "COUNTKEYSINSLOT", fmt.Sprint(slot(full))))
	for _, move := range moves {
		move.End(t)
	}
	mustRefuse(full, keys[a][2]) // they are on different nodes now
	var reply []int64
	eventually(t, func() (err error) {
		_ = run(t, s, store.NewScript("none", "return {}"), []string{full}) // the client finds out
		reply, err = add(append([]string{full, empty}, keys[b]...)...)
		return err
	})
	require.Equal(t, []int64{0, 4, 1, 1, 1, 1}, reply)
	eventually(t, learnt)
	moved, _ := server(full)
	its, _ := server(keys[b][0])
	require.Equal(t, its, moved)
}
