package goredis_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
)

// TestAllocations: a decision makes at most one allocation more than the client needs to run
// an empty script.
func TestAllocations(t *testing.T) {
	redistest.WithoutRace(t, "-race empties pools at random")
	server := redistest.Start(t)
	s, err := goredis.Open(server.URL())
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	limiter, err := ratelimit.New(s, tokenbucket.Limit{Rate: 1_000_000, Period: time.Second}, ratelimit.WithTimeout(time.Minute))
	require.NoError(t, err)
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer func() { require.NoError(t, client.Close()) }()
	ctx := context.Background()
	script := redis.NewScript("return 1")
	require.NoError(t, script.Load(ctx, client).Err())
	empty := testing.AllocsPerRun(500, func() { err = client.EvalSha(ctx, script.Hash(), []string{"k"}).Err() })
	require.NoError(t, err)
	require.LessOrEqual(t, testing.AllocsPerRun(500, func() { _, err = limiter.Allow(ctx, "alice") }), empty+1)
	require.NoError(t, err)
}
