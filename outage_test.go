package ratelimit_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	goclient "github.com/redis/go-redis/v9"
	rueclient "github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
	"github.com/distributed-rate-limiter/ratelimit/store/rueidis"
)

// onAnyClient runs test with the stores that Open makes, and with clients that have their
// libraries' default settings.
func onAnyClient(t *testing.T, test func(t *testing.T, server *redistest.Server, s store.Store)) {
	onOne(t, func(t *testing.T, s site) { test(t, s.nodes[0], s.open(t)) })
	t.Run("goredis/defaults", func(t *testing.T) {
		server := redistest.Start(t)
		client := goclient.NewClient(&goclient.Options{Addr: server.Addr()})
		t.Cleanup(func() { _ = client.Close() })
		test(t, server, goredis.New(client))
	})
	t.Run("rueidis/defaults", func(t *testing.T) {
		redistest.Needs(t, 6, 0) // for rueidis's cache, which is on by default
		server := redistest.Start(t)
		client, err := rueclient.NewClient(rueclient.ClientOption{InitAddress: []string{server.Addr()}})
		require.NoError(t, err)
		t.Cleanup(client.Close)
		test(t, server, rueidis.New(client))
	})
}

// events is an observer that keeps the events of decisions.
type events struct {
	mu  sync.Mutex
	all []ratelimit.Event
}

func (e *events) Observe(_ context.Context, event ratelimit.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, event)
}

func (e *events) take() []ratelimit.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := slices.Clone(e.all)
	e.all = nil
	return all
}

// recovers waits until service has returned by itself: Redis decides again.
func recovers(t *testing.T, l *ratelimit.Limiter) {
	require.Eventually(t, func() bool {
		r, err := l.Allow(context.Background(), "after")
		return err == nil && r.Allowed && !r.Degraded
	}, 10*time.Second, 10*time.Millisecond, "back to normal")
}

// TestNewBeforeRedis checks that a limiter that is made while nothing listens works once Redis
// does. Until then, even FailOpen denies an n above the limit, and Reset is an error.
func TestNewBeforeRedis(t *testing.T) {
	onOne(t, func(t *testing.T, s site) {
		s.nodes[0].Kill()
		l := newLimiter(t, s.open(t), tokenbucket.Limit{Rate: 10, Period: time.Minute}, ratelimit.WithTimeout(200*time.Millisecond))
		r, err := l.Allow(context.Background(), "x")
		require.NoError(t, err)
		require.True(t, r.Allowed && r.Degraded)
		r, err = l.AllowN(context.Background(), "x", 11)
		require.NoError(t, err)
		require.False(t, r.Allowed)
		require.Equal(t, algorithm.Never, r.RetryAfter)
		require.Error(t, l.Reset(context.Background(), "x"))
		s.nodes[0].Restart()
		recovers(t, l)
	})
}

// TestCallerGivesUp checks that a caller whose own context ends gets an error, and not the
// failure mode's answer, and gets it soon.
func TestCallerGivesUp(t *testing.T) {
	onAnyClient(t, func(t *testing.T, server *redistest.Server, s store.Store) {
		var seen events
		l := newLimiter(t, s, tokenbucket.Limit{Rate: 10, Period: time.Minute}, ratelimit.WithObserver(&seen), ratelimit.WithTimeout(time.Second))
		recovers(t, l)
		seen.take()
		server.Pause()
		defer server.Resume()

		ended, cancel := context.WithCancel(context.Background())
		cancel()
		soon, stop := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer stop()
		later, leave := context.WithCancel(context.Background())
		defer leave()
		time.AfterFunc(50*time.Millisecond, leave)
		for _, c := range []struct {
			ctx  context.Context
			want error
		}{{ended, context.Canceled}, {soon, context.DeadlineExceeded}, {later, context.Canceled}} {
			begin := time.Now()
			r, err := l.Allow(c.ctx, "x")
			require.ErrorIs(t, err, c.want)
			require.Zero(t, r)
			require.Less(t, time.Since(begin), 2*time.Second)
			told := seen.take()
			require.Len(t, told, 1)
			require.Equal(t, ratelimit.ClassCanceled, told[0].Class)
			require.ErrorIs(t, told[0].Err, c.want)
		}
	})
}

// TestBlackhole checks that callers leave in time if the address takes connections but never
// answers, from the first call on.
func TestBlackhole(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	for _, driver := range []string{"goredis", "rueidis"} {
		s, err := dial(driver, "redis://"+listener.Addr().String(), false)
		require.NoError(t, err)
		l := newLimiter(t, s, tokenbucket.Limit{Rate: 1, Period: time.Minute}, ratelimit.WithTimeout(100*time.Millisecond))
		var wait sync.WaitGroup
		for range 1000 {
			wait.Go(func() {
				begin := time.Now()
				r, err := l.Allow(context.Background(), "x")
				if took := time.Since(begin); err != nil || !r.Degraded || took > 2*time.Second {
					t.Errorf("%s: after %v: error %v, result %+v", driver, took, err, r)
				}
			})
		}
		wait.Wait()
		require.NoError(t, s.Close())
	}
}

// TestClusterHangs checks that callers leave in time while all nodes of a Cluster hang, and
// that service returns when the nodes do.
func TestClusterHangs(t *testing.T) {
	const timeout = 150 * time.Millisecond
	for _, driver := range []string{"goredis", "rueidis"} {
		t.Run(driver, func(t *testing.T) {
			cluster := redistest.StartCluster(t)
			s := site{driver, cluster.URL(), cluster.Nodes}.open(t)
			l := newLimiter(t, s, tokenbucket.Limit{Rate: 1000, Period: time.Minute},
				ratelimit.WithTimeout(timeout), ratelimit.WithFailureMode(ratelimit.FailClosed))
			recovers(t, l)
			for _, node := range cluster.Nodes {
				node.Pause()
			}
			var wait sync.WaitGroup
			for i := range 500 {
				wait.Go(func() {
					begin := time.Now()
					r, err := l.Allow(context.Background(), fmt.Sprint("caller", i))
					if took := time.Since(begin); err != nil || !r.Degraded || r.Allowed || took > timeout+time.Second {
						t.Errorf("after %v: error %v, result %+v", took, err, r)
					}
				})
			}
			wait.Wait()
			for _, node := range cluster.Nodes {
				node.Resume()
			}
			recovers(t, l)
		})
	}
}

// TestDeniedByACL checks that if the Redis user may not run a command of the script, calls
// fail. A script that ignored the refusal would find no states, and take each identity for a
// fresh one.
func TestDeniedByACL(t *testing.T) {
	redistest.Needs(t, 6, 0)
	server := redistest.Start(t)
	for i, c := range []struct {
		rule    string
		decided bool
	}{
		{"+@all -get", true}, // MGET is used instead
		{"+@all -get -mget", false},
		{"+@all -psetex", false},
		{"+@all -time", false},
		{"+@all -evalsha -eval", false},
		{"-@all +evalsha +eval +time +get +mget +psetex +incrby +setrange +del", true},
	} {
		user := fmt.Sprint("user", i)
		server.MustDo(t, append([]string{"ACL", "SETUSER", user, "on", ">secret", "~*", "allchannels"}, strings.Fields(c.rule)...)...)
		for _, driver := range []string{"goredis", "rueidis"} {
			for kind, limit := range kinds {
				var seen events
				s := site{driver, fmt.Sprintf("redis://%s:secret@%s", user, server.Addr()), []*redistest.Server{server}}.open(t)
				l := newLimiter(t, s, limit(3, 12*time.Hour), ratelimit.WithFailureMode(ratelimit.FailClosed),
					ratelimit.WithObserver(&seen), ratelimit.WithNamespace(fmt.Sprint(driver, kind, i)))
				var allowed int
				for range 5 {
					r, err := l.Allow(context.Background(), "x")
					require.NoError(t, err)
					require.Equal(t, !c.decided, r.Degraded, "%s %s %s", c.rule, driver, kind)
					if r.Allowed {
						allowed++
					}
				}
				if c.decided {
					require.Equal(t, 3, allowed, "%s %s %s", c.rule, driver, kind)
					continue
				}
				require.Zero(t, allowed, "%s %s %s", c.rule, driver, kind)
				for _, e := range seen.take() {
					require.Equal(t, ratelimit.ClassDenied, e.Class, "%s: %v", c.rule, e.Err)
				}
			}
		}
	}
}

// TestNotACluster checks a client that does not know that its Redis is a Cluster, so that most
// identities are on other nodes. That counts as a failure of Redis, not of the script.
func TestNotACluster(t *testing.T) {
	cluster := redistest.StartCluster(t)
	for _, driver := range []string{"goredis", "rueidis"} {
		var seen events
		s := site{driver, cluster.Nodes[0].URL(), cluster.Nodes[:1]}.open(t)
		l := newLimiter(t, s, tokenbucket.Limit{Rate: 1, Period: month}, ratelimit.WithObserver(&seen))
		for i := range 20 {
			_, err := l.Allow(context.Background(), fmt.Sprint(i))
			require.NoError(t, err)
		}
		classes := map[ratelimit.ErrorClass]int{}
		for _, e := range seen.take() {
			classes[e.Class]++
		}
		require.Positive(t, classes[ratelimit.ClassUnavailable], driver)
		require.Equal(t, 20, classes[ratelimit.ClassUnavailable]+classes[""], "%s: %v", driver, classes)
	}
}

// panicking is a store that panics, whether it is prompt or not.
type panicking struct{ prompt bool }

func (p panicking) Prompt() bool { return p.prompt }

func (panicking) Run(context.Context, *store.Script, []string, []int64) ([]int64, error) {
	panic("no good")
}

// TestStorePanics checks that a run in which the store panics counts as failed, no more, and
// gives back its turn.
func TestStorePanics(t *testing.T) {
	for _, prompt := range []bool{false, true} {
		failed := observerFunc(func(e ratelimit.Event) { require.ErrorContains(t, e.Err, "the store panicked") })
		l := newLimiter(t, panicking{prompt}, tokenbucket.Limit{Rate: 1, Period: time.Second},
			ratelimit.WithoutBatching(), ratelimit.WithoutBreaker(), ratelimit.WithObserver(failed))
		for range ratelimit.MaxRuns + 1 {
			r, err := l.Allow(context.Background(), "x")
			require.NoError(t, err)
			require.True(t, r.Allowed && r.Degraded)
		}
	}
}

// TestPromptIsNotClaimedInVain checks that a store does not claim to be prompt if its client
// sets no deadlines (a ReadTimeout of -2). The limiter would count on it, and a call would
// never return.
func TestPromptIsNotClaimedInVain(t *testing.T) {
	server := redistest.Start(t)
	client := goclient.NewClient(&goclient.Options{Addr: server.Addr(), ContextTimeoutEnabled: true, ReadTimeout: -2})
	t.Cleanup(func() { _ = client.Close() })
	l := newLimiter(t, goredis.New(client), tokenbucket.Limit{Rate: 10, Period: time.Minute}, ratelimit.WithTimeout(200*time.Millisecond))
	recovers(t, l)
	server.Pause()
	defer server.Resume()
	r, err := l.Allow(context.Background(), "x") // would never return if the store claimed to be prompt
	require.NoError(t, err)
	require.True(t, r.Degraded)
}

// TestWaitingIsBounded checks that once as many calls wait as may, the failure mode decides
// further ones at once, and nothing is sent for them. (TestCrowd of internal/faults has
// callers wait on a Redis that hangs.)
func TestWaitingIsBounded(t *testing.T) {
	for name, options := range map[string][]ratelimit.Option{"Batching": nil, "Alone": {ratelimit.WithoutBatching()}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var m moody
				var w witness
				l := w.limiter(t, &m, options...)
				require.Empty(t, w.class(t, l, "x"))
				ratelimit.Crowd(l)
				begin := time.Now()
				for i := range 100 {
					require.Equal(t, ratelimit.ClassOverloaded, w.class(t, l, fmt.Sprint(i)))
				}
				require.Zero(t, time.Since(begin))
				asked, _ := m.counts()
				require.Equal(t, 1, asked)
				require.Empty(t, w.states(), "it says nothing of Redis")
			})
		})
	}
}
