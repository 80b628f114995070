package ratelimit_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/slidingwindow"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// TestMemory checks how much memory an identity costs in Redis, everything included.
func TestMemory(t *testing.T) {
	redistest.WithoutRace(t, "-race takes two minutes to fill Redis, and finds nothing in what that has")
	server := redistest.Start(t)
	s := site{"goredis", server.URL(), []*redistest.Server{server}}.open(t)
	used := func() int {
		n, err := strconv.Atoi(server.Info("memory")["used_memory"])
		require.NoError(t, err)
		return n
	}
	const identities = 200_000
	for _, c := range []struct {
		limit algorithm.Algorithm
		n     int64   // units that each identity takes
		most  float64 // bytes
	}{
		{tokenbucket.Limit{Rate: 100, Period: time.Hour}, 1, 200},
		{tokenbucket.Limit{Rate: 30, Period: time.Hour, Burst: 900}, 900, 200},
		{slidingwindow.Limit{Rate: 100, Period: time.Hour}, 100, 200},
		{slidingwindow.Limit{Rate: 9999, Period: 24 * time.Hour}, 9999, 200},
		// States that do not fit an integer.
		{tokenbucket.Limit{Rate: 5000, Period: time.Hour}, 1000, 232},
		{slidingwindow.Limit{Rate: 10_000, Period: time.Hour}, 10_000, 232},
	} {
		server.MustDo(t, "FLUSHALL")
		l := newLimiter(t, s, c.limit)
		allow(t, l, "warm up", 1)
		before := used()
		fill(t, s, l, c.limit, identities, c.n)
		each := float64(used()-before) / identities
		t.Logf("%#v: %.1f B an identity", c.limit, each)
		require.LessOrEqual(t, each, c.most, "%#v", c.limit)
	}

	server.MustDo(t, "FLUSHALL")
	l := newLimiter(t, s, slidingwindow.Log{Rate: 1000, Period: time.Hour})
	allow(t, l, "warm up", 1)
	before := used()
	const logs = 200
	for i := range logs {
		require.True(t, allow(t, l, fmt.Sprint(i), 1000).Allowed)
	}
	each := float64(used()-before) / logs
	t.Logf("a log of 1,000 units: %.0f B", each)
	require.LessOrEqual(t, each, 9000.0)
}

// fill has that many identities take n units each, a hundred identities in a run.
func fill(t testing.TB, s store.Store, l *ratelimit.Limiter, limit algorithm.Algorithm, identities int, n int64) {
	plan, err := limit.Compile()
	require.NoError(t, err)
	program, err := algorithm.Compose(plan)
	require.NoError(t, err)
	for i := 0; i < identities; {
		args := program.AppendParams(nil)
		var keys []string
		for ; i < identities && len(keys) < 100; i++ {
			args = program.AppendRequest(args, n, len(keys))
			keys = append(keys, ratelimit.KeyOf(l, fmt.Sprint("user:", i)))
		}
		_, err := s.Run(context.Background(), program.Script(), keys, args)
		require.NoError(t, err)
	}
}
