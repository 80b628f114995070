package rueidis_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	client "github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/rueidis"
)

var incr = store.NewScript("incr", `return {redis.call('INCR', KEYS[1])}`)

func TestNoClient(t *testing.T) {
	for _, s := range []*rueidis.Store{rueidis.New(nil), nil, {}} {
		_, err := s.Run(context.Background(), incr, nil, nil)
		require.ErrorContains(t, err, "no client")
		require.False(t, s.Prompt())
		require.NoError(t, s.Close())
	}
}

func TestNoScript(t *testing.T) {
	s, err := rueidis.Open("redis://127.0.0.1:1")
	require.NoError(t, err)
	_, err = s.Run(context.Background(), nil, nil, nil)
	require.ErrorContains(t, err, "script is nil")
	require.NoError(t, s.Close())
}

// Close does not close a client that was given to New.
func TestCloseLeavesClient(t *testing.T) {
	redistest.Needs(t, 6, 0) // the client's cache needs it
	c, err := client.NewClient(client.ClientOption{InitAddress: []string{redistest.Start(t).Addr()}, Password: ""})
	require.NoError(t, err)
	defer c.Close()
	s := rueidis.New(c)
	require.NoError(t, s.Close())
	_, err = s.Run(context.Background(), incr, []string{"k"}, nil)
	require.NoError(t, err)
	require.Equal(t, "rueidis.Store(*rueidis.singleClient)", fmt.Sprintf("%+v", s))
}

// An error reply can also be found as an error of rueidis's own type.
func TestErrorUnwraps(t *testing.T) {
	s, err := rueidis.Open(redistest.Start(t).URL())
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	_, err = s.Run(context.Background(), store.NewScript("x", `return redis.error_reply('MYCODE x')`), nil, nil)
	reply := (*client.RedisError)(nil)
	require.ErrorAs(t, err, &reply)
	require.Equal(t, "redis: MYCODE x", err.Error())
}

func BenchmarkRun(b *testing.B) {
	s, err := rueidis.Open(redistest.Start(b).URL())
	require.NoError(b, err)
	defer func() { require.NoError(b, s.Close()) }()
	script := store.NewScript("bench", `return {1, 5000, 1700000000123456}`)
	for _, n := range []int{1, 64} {
		keys, args := make([]string, n), make([]int64, 3*n)
		for i := range keys {
			keys[i] = "ratelimit:token_bucket:" + strconv.Itoa(i)
		}
		for i := range args {
			args[i] = int64(1_000_000 + i)
		}
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Run(context.Background(), script, keys, args); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
