package drivertest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

func withCluster(o *driver.Options)  { o.Cluster = true }
func withSentinel(o *driver.Options) { o.Sentinel, o.MasterName = true, "main" }

// cluster: runs go to the node of their keys, and a node that is lost takes only its own
// runs with it.
func cluster(t *testing.T, d Driver) {
	c := redistest.StartCluster(t)
	s := open1(t, d, c.URL(), withCluster)
	for i := range 100 {
		require.Equal(t, []int64{1}, run(t, s, incr, []string{fmt.Sprintf("key%d", i)}))
	}
	// Run without keys, and with keys whose braces are not hash tags.
	run(t, s, store.NewScript("none", `return {}`), nil)
	for _, key := range []string{"", "{", "}", "{}", "{}x", "}x{"} {
		require.Equal(t, []int64{1}, run(t, s, incr, []string{key}))
	}
	run(t, s, incr, []string{"{tag}1", "{tag}2", "x{tag}"})

	for _, keys := range [][]string{{"a", "b"}, {"{}a", "{}b"}, {"", "a"}, {"{a}", "{b}", "{a}"}} {
		_, err := s.Run(context.Background(), incr, keys, nil)
		server := (*store.ServerError)(nil)
		require.ErrorAs(t, err, &server, "%q", keys)
		require.Equal(t, "CROSSSLOT", server.Prefix(), "%q", keys)
	}

	for _, node := range c.Nodes {
		node.MustDo(t, "SCRIPT", "FLUSH")
	}
	for i := range 20 {
		run(t, s, incr, []string{"flushed" + strconv.Itoa(i)})
	}

	// A slot that has moved is found, and each run is run once.
	migrate(t, c, "moved", 0, 1, 2)
	for want := int64(1); want <= 3; want++ {
		require.Equal(t, []int64{want}, run(t, s, incr, []string{"moved"}))
	}

	// One node hangs for longer than the client waits. What was sent to it is run once at
	// most, and the other nodes answer.
	const runs = 30
	var keys [runs]string
	for i := range keys {
		keys[i] = "once" + strconv.Itoa(i)
	}
	c.Nodes[0].Pause()
	var wg sync.WaitGroup
	for _, key := range keys {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_, _ = s.Run(ctx, incr, []string{key}, nil)
		})
	}
	wg.Wait()
	c.Nodes[0].Resume()
	c.AwaitReady(t)
	eventually(t, func() error {
		for _, key := range keys {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			ints, err := s.Run(ctx, store.NewScript("get", `return {tonumber(redis.call('GET', KEYS[1]) or 0)}`), []string{key}, nil)
			cancel()
			if err != nil {
				return err
			}
			require.LessOrEqual(t, ints[0], int64(1), key)
		}
		return nil
	})
}

// migrate moves the slot of key from the node that has it to another.
func migrate(t *testing.T, c *redistest.Cluster, key string, nodes ...int) {
	t.Helper()
	slot := fmt.Sprint(c.Nodes[0].MustDo(t, "CLUSTER", "KEYSLOT", key))
	n, err := strconv.Atoi(slot)
	require.NoError(t, err)
	from := n * len(c.Nodes) / 16384
	to := (from + 1) % len(c.Nodes)
	id := c.Nodes[to].MustDo(t, "CLUSTER", "MYID").(string)
	c.Nodes[to].MustDo(t, "CLUSTER", "SETSLOT", slot, "IMPORTING", c.Nodes[from].MustDo(t, "CLUSTER", "MYID").(string))
	c.Nodes[from].MustDo(t, "CLUSTER", "SETSLOT", slot, "MIGRATING", id)
	c.Nodes[to].MustDo(t, "CLUSTER", "SETSLOT", slot, "NODE", id)
	c.Nodes[from].MustDo(t, "CLUSTER", "SETSLOT", slot, "NODE", id)
}

// sentinel: the master is found through a sentinel, and so is its successor.
func sentinel(t *testing.T, d Driver) {
	master := redistest.Start(t)
	replica := redistest.Start(t, "--replicaof", "127.0.0.1", strconv.Itoa(master.Port()))
	eventually(t, func() error {
		if link := replica.Info("replication")["master_link_status"]; link != "up" {
			return fmt.Errorf("the replica's link is %s", link)
		}
		return nil
	})
	config := filepath.Join(t.TempDir(), "sentinel.conf")
	require.NoError(t, os.WriteFile(config, []byte(strings.Join([]string{
		"sentinel monitor main 127.0.0.1 " + strconv.Itoa(master.Port()) + " 1",
		"sentinel down-after-milliseconds main 500",
		"sentinel failover-timeout main 2000",
		"requirepass sentinelsecret",
	}, "\n")+"\n"), 0o600))
	watcher := redistest.Start(t, config, "--sentinel")
	s := open1(t, d, watcher.URL(), func(o *driver.Options) {
		o.Sentinel, o.MasterName = true, "main"
		o.SentinelAuth, o.SentinelPassword = true, "sentinelsecret"
	})
	require.Equal(t, []int64{1}, run(t, s, incr, []string{"k"}))

	master.Kill()
	eventually(t, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 250*time.Millisecond)
		defer cancel()
		_, err := s.Run(ctx, incr, []string{"k"}, nil)
		return err
	})
	role, ok := replica.MustDo(t, "ROLE").([]any)
	require.True(t, ok)
	require.Equal(t, "master", role[0])
}
