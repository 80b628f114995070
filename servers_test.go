package ratelimit_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/slidingwindow"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
	"github.com/distributed-rate-limiter/ratelimit/store/rueidis"
)

// site is a Redis for a test, with the driver to reach it by.
type site struct {
	driver string
	url    string
	nodes  []*redistest.Server
}

// opener is a store that must be closed by whoever opened it.
type opener interface {
	store.Store
	Close() error
}

// dial opens a store, also in the processes of TestFleet.
func dial(driver, url string, cluster bool) (opener, error) {
	switch {
	case driver == "goredis" && cluster:
		return goredis.Open(url, goredis.WithCluster())
	case driver == "goredis":
		return goredis.Open(url)
	case cluster:
		return rueidis.Open(url, rueidis.WithCluster())
	}
	return rueidis.Open(url)
}

func (s site) open(t testing.TB) store.Store {
	o, err := dial(s.driver, s.url, len(s.nodes) > 1)
	require.NoError(t, err)
	t.Cleanup(func() { _ = o.Close() })
	return o
}

// onRedis runs test with each driver on one redis-server, and on a Cluster. Much of the time
// goes by while Clusters start, so tests run side by side, each on its own servers.
func onRedis(t *testing.T, test func(t *testing.T, s site)) {
	for _, driver := range []string{"goredis", "rueidis"} {
		t.Run("Redis/"+driver, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			test(t, site{driver, server.URL(), []*redistest.Server{server}})
		})
		t.Run("Cluster/"+driver, func(t *testing.T) {
			t.Parallel()
			cluster := redistest.StartCluster(t)
			test(t, site{driver, cluster.URL(), cluster.Nodes})
		})
	}
}

// onOne runs test with each driver on one redis-server.
func onOne(t *testing.T, test func(t *testing.T, s site)) {
	for _, driver := range []string{"goredis", "rueidis"} {
		t.Run(driver, func(t *testing.T) {
			server := redistest.Start(t)
			test(t, site{driver, server.URL(), []*redistest.Server{server}})
		})
	}
}

// start starts an embedded Redis whose clock stands still.
func start(t testing.TB) *embedded.Redis {
	r, err := embedded.Start()
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.Close() })
	r.SetTime(time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC))
	return r
}

// newLimiter makes a limiter that has enough time on a slow machine, and logs why Redis did
// not decide.
func newLimiter(t testing.TB, s store.Store, a algorithm.Algorithm, options ...ratelimit.Option) *ratelimit.Limiter {
	logErrors := observerFunc(func(e ratelimit.Event) {
		if e.Err != nil {
			t.Logf("not decided by Redis: %s: %v", e.Class, e.Err)
		}
	})
	l, err := ratelimit.New(s, a, append([]ratelimit.Option{ratelimit.WithTimeout(10 * time.Second), ratelimit.WithObserver(logErrors)}, options...)...)
	require.NoError(t, err)
	return l
}

// allow asks for n units, and requires that Redis decides.
func allow(t testing.TB, l *ratelimit.Limiter, identity string, n int64) ratelimit.Result {
	t.Helper()
	r, err := l.AllowN(context.Background(), identity, n)
	require.NoError(t, err)
	require.False(t, r.Degraded, "degraded")
	return r
}

// kinds makes a limit of each algorithm.
var kinds = map[string]func(rate int64, period time.Duration) algorithm.Algorithm{
	"TokenBucket":   func(r int64, p time.Duration) algorithm.Algorithm { return tokenbucket.Limit{Rate: r, Period: p} },
	"SlidingWindow": func(r int64, p time.Duration) algorithm.Algorithm { return slidingwindow.Limit{Rate: r, Period: p} },
	"SlidingLog":    func(r int64, p time.Duration) algorithm.Algorithm { return slidingwindow.Log{Rate: r, Period: p} },
}

const month = 30 * 24 * time.Hour
