package ratelimit_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goclient "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
	"github.com/distributed-rate-limiter/ratelimit/store/rueidis"
)

// The users for whom SECURITY.md has a rule, in the order of their rules.
const (
	userOfServer = iota
	userOfCluster
	userOfMaster
	userOfSentinels
	users
)

// documented returns the command with which SECURITY.md makes a user, with further rules at
// its end.
func documented(t testing.TB, user int, more ...string) []string {
	text, err := os.ReadFile("SECURITY.md")
	require.NoError(t, err)
	lines := regexp.MustCompile(`(?m)^ACL SETUSER .*$`).FindAllString(string(text), -1)
	require.Len(t, lines, users)
	return append(strings.Fields(lines[user]), more...)
}

// granted returns the commands that such a rule grants.
func granted(rule []string) (commands []string) {
	for _, word := range rule {
		if command, ok := strings.CutPrefix(word, "+"); ok {
			commands = append(commands, command)
		}
	}
	return commands
}

// asLimiter returns url with the documented user and password.
func asLimiter(url string) string { return strings.Replace(url, "://", "://limiter:CHANGE-ME@", 1) }

// refusals returns what the users of the nodes were refused, as the nodes' ACL logs have it:
// the reason and the object of each entry.
func refusals(t testing.TB, nodes []*redistest.Server) (all []string) {
	for _, node := range nodes {
		for _, entry := range node.MustDo(t, "ACL", "LOG").([]any) {
			fields := entry.([]any)
			all = append(all, fmt.Sprint(fields[3], " ", fields[7]))
		}
	}
	return all
}

// How many callers there are at once. Few are enough to see that something fails.
const many, few = 200, 20

// rounds numbers the exercises, so that each has identities of its own.
var rounds atomic.Int64

// exercise has a limiter of each algorithm do all that limiters do, for that many callers at
// once, while scripts are flushed. It returns what went wrong.
func exercise(t testing.TB, s opener, nodes []*redistest.Server, callers int) (wrong []error) {
	ctx, round := context.Background(), rounds.Add(1)
	var mu sync.Mutex
	fail := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		if len(wrong) < 5 {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	for kind, limit := range kinds {
		var seen events
		l, err := ratelimit.New(s, limit(3, 12*time.Hour), ratelimit.WithNamespace("myapp"), ratelimit.WithTimeout(5*time.Second), ratelimit.WithObserver(&seen))
		require.NoError(t, err)
		var wait sync.WaitGroup
		for i := range callers { // so that there are runs of many keys
			wait.Go(func() {
				for n := range 4 {
					if n == 1 && i%20 == 0 {
						for _, node := range nodes {
							_, _ = node.Do("SCRIPT", "FLUSH")
						}
					}
					if r, err := l.Allow(ctx, fmt.Sprint(round, "user", i)); err != nil || r.Degraded || r.Allowed != (n < 3) {
						fail("%s: call %d: %+v, %v", kind, n, r, err)
					}
				}
			})
		}
		wait.Wait()
		if r, err := l.Peek(ctx, fmt.Sprint(round, "user1")); err != nil || r.Degraded || r.Allowed {
			fail("%s: Peek: %+v, %v", kind, r, err)
		}
		for i := range few {
			if err := l.Reset(ctx, fmt.Sprint(round, "user", i)); err != nil {
				fail("%s: Reset: %w", kind, err)
				break
			}
		}
		if r, err := l.Peek(ctx, fmt.Sprint(round, "user1")); err != nil || r.Degraded || r.Remaining != 3 {
			fail("%s: Peek after Reset: %+v, %v", kind, r, err)
		}
		for _, e := range seen.take() {
			if e.Err != nil {
				fail("%s: %s: %w", kind, e.Class, e.Err)
				break
			}
		}
	}
	// Thousands of units, so that states are not integers.
	l, err := ratelimit.New(s, tokenbucket.Limit{Rate: 5000, Period: 12 * time.Hour}, ratelimit.WithNamespace("myapp"), ratelimit.WithTimeout(5*time.Second))
	require.NoError(t, err)
	for i := range few {
		for range 4 {
			if r, err := l.AllowN(ctx, fmt.Sprint(round, "thousands", i), 1000); err != nil || r.Degraded || !r.Allowed {
				fail("thousands: %+v, %v", r, err)
			}
		}
	}
	return wrong
}

// pinged waits until the driver has sent a PING, if it sends any: rueidis does so on each
// connection that has been idle for a second.
func pinged(t testing.TB, driver string, server *redistest.Server) {
	if driver == "rueidis" {
		require.Eventually(t, func() bool { return server.Info("commandstats")["cmdstat_ping"] != "" }, 5*time.Second, 20*time.Millisecond)
	}
}

// TestACL checks that the documented user can do all that a limiter does, and that something
// fails or is refused if any one command of the rule is taken away.
func TestACL(t *testing.T) {
	redistest.Needs(t, 6, 0)
	rule := documented(t, userOfServer)
	for _, without := range append([]string{"nothing"}, granted(rule)...) {
		t.Run("Without/"+without, func(t *testing.T) {
			t.Parallel()
			missed := 0
			for _, driver := range []string{"goredis", "rueidis"} {
				server := redistest.Start(t)
				nodes := []*redistest.Server{server}
				server.MustDo(t, rule...)
				if without != "nothing" {
					server.MustDo(t, "ACL", "SETUSER", "limiter", "-"+without)
				}
				server.MustDo(t, "CONFIG", "RESETSTAT")
				s, err := dial(driver, asLimiter(server.URL()), false)
				require.NoError(t, err)
				defer func() { _ = s.Close() }()
				callers := few
				if without == "nothing" {
					callers = many
				}
				wrong := exercise(t, s, nodes, callers)
				pinged(t, driver, server)
				refused := refusals(t, nodes)
				if without == "nothing" {
					require.Empty(t, wrong)
					require.Empty(t, refused)
					continue
				}
				for _, err := range wrong[:min(1, len(wrong))] {
					t.Logf("%s: %v", driver, err)
				}
				t.Logf("%s: refused: %q", driver, refused)
				for _, what := range refused {
					require.Contains(t, what, without)
				}
				// Redis decides every call without these commands; it only logs that it
				// refused them.
				if without == "get" || without == "ping" {
					require.Empty(t, wrong)
				}
				missed += len(wrong) + len(refused)
			}
			if without != "nothing" {
				require.Positive(t, missed, "nobody needs it")
			}
		})
	}
}

// TestACLOfDatabase checks that a database other than 0 needs SELECT, which the rule does not
// grant.
func TestACLOfDatabase(t *testing.T) {
	redistest.Needs(t, 6, 0)
	server := redistest.Start(t)
	for _, driver := range []string{"goredis", "rueidis"} {
		for _, more := range [][]string{nil, {"+select"}} {
			server.MustDo(t, documented(t, userOfServer, more...)...)
			s, err := dial(driver, asLimiter(server.URL())+"/1", false)
			require.NoError(t, err)
			l := newLimiter(t, s, kinds["TokenBucket"](3, month), ratelimit.WithNamespace("myapp"))
			r, err := l.Allow(context.Background(), "x")
			require.NoError(t, err)
			require.Equal(t, more == nil, r.Degraded, driver)
			require.NoError(t, s.Close())
		}
	}
}

// TestACLOfCluster checks that the documented user can do all that a limiter does on each node
// of a Cluster, and that something fails without CLUSTER SLOTS and CLUSTER SHARDS.
func TestACLOfCluster(t *testing.T) {
	redistest.Needs(t, 7, 0) // for rules that take subcommands away
	cluster := redistest.StartCluster(t)
	for _, driver := range []string{"goredis", "rueidis"} {
		for _, node := range cluster.Nodes {
			node.MustDo(t, documented(t, userOfCluster)...)
		}
		s, err := dial(driver, asLimiter(cluster.URL()), true)
		require.NoError(t, err)
		require.Empty(t, exercise(t, s, cluster.Nodes, many))
		require.Empty(t, refusals(t, cluster.Nodes))
		require.NoError(t, s.Close())

		for _, node := range cluster.Nodes {
			node.MustDo(t, "ACL", "SETUSER", "limiter", "-cluster|slots", "-cluster|shards")
		}
		s, err = dial(driver, asLimiter(cluster.URL()), true)
		require.NoError(t, err)
		require.NotEmpty(t, exercise(t, s, cluster.Nodes, few), "needs neither CLUSTER SLOTS nor CLUSTER SHARDS")
		require.NoError(t, s.Close())
		for _, node := range cluster.Nodes {
			node.MustDo(t, "ACL", "LOG", "RESET")
		}
	}
}

// TestACLOfSentinel checks that the documented users of the master and of the sentinels
// suffice, and that something fails or is refused without any one command of the sentinels'
// user, or without ROLE on the master.
func TestACLOfSentinel(t *testing.T) {
	redistest.Needs(t, 7, 0) // for rules that take subcommands away
	master := redistest.Start(t)
	config := filepath.Join(t.TempDir(), "sentinel.conf")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, "sentinel monitor main 127.0.0.1 %d 1\n", master.Port()), 0o600))
	sentinel := redistest.Start(t, config, "--sentinel")
	url := asLimiter(sentinel.URL())
	ask := func(driver, without string) ([]error, []string) {
		master.MustDo(t, "ACL", "LOG", "RESET")
		sentinel.MustDo(t, "ACL", "LOG", "RESET")
		var s opener
		var err error
		if driver == "goredis" {
			s, err = goredis.Open(url, goredis.WithSentinel("main"), goredis.WithSentinelAuth("watcher", "CHANGE-ME"))
		} else {
			s, err = rueidis.Open(url, rueidis.WithSentinel("main"), rueidis.WithSentinelAuth("watcher", "CHANGE-ME"))
		}
		require.NoError(t, err)
		defer func() { require.NoError(t, s.Close()) }()
		wrong := exercise(t, s, []*redistest.Server{master}, few)
		if without == "ping" && driver == "rueidis" { // on a connection that has been idle for a second
			require.Eventually(t, func() bool { return len(refusals(t, []*redistest.Server{sentinel})) > 0 }, 5*time.Second, 20*time.Millisecond)
		}
		return wrong, append(refusals(t, []*redistest.Server{master}), refusals(t, []*redistest.Server{sentinel})...)
	}
	masters, sentinels := documented(t, userOfMaster), documented(t, userOfSentinels)
	for _, driver := range []string{"goredis", "rueidis"} {
		master.MustDo(t, masters...)
		sentinel.MustDo(t, sentinels...)
		wrong, refused := ask(driver, "nothing")
		require.Empty(t, wrong, driver)
		require.Empty(t, refused, driver)
	}
	for _, without := range append(granted(sentinels), "role") {
		missed := 0
		for _, driver := range []string{"goredis", "rueidis"} {
			master.MustDo(t, masters...)
			sentinel.MustDo(t, sentinels...)
			at := sentinel
			user := "watcher"
			if without == "role" {
				at, user = master, "limiter"
			}
			at.MustDo(t, "ACL", "SETUSER", user, "-"+without)
			wrong, refused := ask(driver, without)
			t.Logf("%s without %s: %d wrong, refused %q", driver, without, len(wrong), refused)
			missed += len(wrong) + len(refused)
		}
		require.Positive(t, missed, "nobody needs %s", without)
	}
}

// TestACLDenies checks what the documented user cannot do, either directly or in a script.
func TestACLDenies(t *testing.T) {
	redistest.Needs(t, 7, 0) // for FUNCTION
	server := redistest.Start(t)
	server.MustDo(t, documented(t, userOfServer)...)
	server.MustDo(t, "SET", "other:key", "1")
	server.MustDo(t, "SET", "myapp:key", "1")
	client := goclient.NewClient(&goclient.Options{Addr: server.Addr(), Username: "limiter", Password: "CHANGE-ME", MaxRetries: -1, DisableIdentity: true})
	t.Cleanup(func() { _ = client.Close() })
	run := func(words ...string) error {
		args := make([]any, len(words))
		for i, word := range words {
			args[i] = word
		}
		return client.Do(context.Background(), args...).Err()
	}
	require.NoError(t, run("GET", "myapp:key"))
	require.NoError(t, run("EVAL", "return redis.call('GET', KEYS[1])", "1", "myapp:key"))

	for _, command := range []string{
		"GET other:key", "SET other:key 2", "DEL other:key", "MGET myapp:key other:key", "DEL myapp:key other:key",
		"FLUSHALL", "FLUSHDB", "KEYS *", "SCAN 0", "RANDOMKEY", "DBSIZE", "EXPIRE myapp:key 1", "RENAME myapp:key other:key", "COPY myapp:key other:key",
		"CONFIG GET *", "CONFIG SET maxmemory 1", "SCRIPT FLUSH", "SCRIPT KILL", "SCRIPT LOAD x", "FUNCTION LIST", "FUNCTION FLUSH", "ACL LIST", "ACL SETUSER limiter +@all", "ACL WHOAMI",
		"MONITOR", "INFO", "SHUTDOWN", "SAVE", "BGSAVE", "SLOWLOG GET", "CLIENT LIST", "CLIENT KILL ID 1", "CLIENT PAUSE 1",
		"REPLICAOF host 1", "MIGRATE host 1 other:key 0 1", "SELECT 1", "SWAPDB 0 1", "SUBSCRIBE x", "PUBLISH x y", "WAIT 0 0", "CLUSTER SLOTS",
		"EVAL x 1 other:key",
	} {
		err := run(strings.Fields(command)...)
		require.ErrorContains(t, err, "NOPERM", command)
		if words := strings.Fields(command); !strings.HasPrefix(command, "EVAL") { // in a script
			for i := range words {
				words[i] = strconv.Quote(words[i])
			}
			err = run("EVAL", "return redis.call("+strings.Join(words, ", ")+")", "0")
			require.Error(t, err, command)
			require.Regexp(t, "can't run this command|can't access at least one of the keys|not allowed from script|ACL failure", err.Error(), command)
		}
	}
	require.Equal(t, "1", server.MustDo(t, "GET", "other:key"))
}
