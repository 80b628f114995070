package ratelimit_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
	"github.com/distributed-rate-limiter/ratelimit/store/rueidis"
)

// TestPing checks that Ping tells what is wrong with a Redis, and writes nothing.
func TestPing(t *testing.T) {
	guarded, plain := redistest.Start(t, "--requirepass", "secret"), redistest.Start(t)
	for _, open := range []func(url string) (store.Store, error){
		func(url string) (store.Store, error) { return goredis.Open(url) },
		func(url string) (store.Store, error) { return rueidis.Open(url) },
	} {
		ping := func(url string) error {
			s, err := open("redis://" + url)
			require.NoError(t, err)
			defer func() { require.NoError(t, s.(interface{ Close() error }).Close()) }()
			l, err := ratelimit.New(s, fast)
			require.NoError(t, err)
			return l.Ping(t.Context())
		}
		require.NoError(t, ping(":secret@"+guarded.Addr()))
		require.ErrorContains(t, ping(":wrong@"+guarded.Addr()), "ratelimit: ping: ")
		require.ErrorContains(t, ping(guarded.Addr()), "NOAUTH")
		require.ErrorContains(t, ping(plain.Addr()+"/99"), "out of range")
		require.NoError(t, ping(plain.Addr()))
		require.EqualValues(t, 0, plain.MustDo(t, "DBSIZE"))
	}
}

// TestPingOpenBreaker checks that Ping asks Redis even while the breaker is open, and that an
// answer closes the breaker.
func TestPingOpenBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m moody
		var w, runs witness
		l := w.limiter(t, &m, ratelimit.WithObserver(&runs))
		m.set(refuses)
		for range 3 {
			w.class(t, l, "x")
		}
		require.Equal(t, ratelimit.ClassBreaker, w.class(t, l, "x"))
		require.ErrorContains(t, l.Ping(context.Background()), "connection refused")
		require.Len(t, runs.take(), 4)
		m.set(nil)
		require.NoError(t, l.Ping(context.Background()))
		require.Empty(t, runs.take(), "it is no decision")
		require.Empty(t, w.class(t, l, "x"))
		time.Sleep(2 * time.Second)
	})
}

func TestPingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m moody
		l, err := ratelimit.New(&m, fast, ratelimit.WithTimeout(time.Second))
		require.NoError(t, err)
		m.set(hangs)
		begin := time.Now()
		require.ErrorIs(t, l.Ping(context.Background()), context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(begin))
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		require.ErrorIs(t, l.Ping(ctx), context.Canceled)
	})
	var none *ratelimit.Limiter
	require.True(t, strings.HasSuffix(none.Ping(t.Context()).Error(), "was not made by New"))
	require.Error(t, (&ratelimit.Limiter{}).Ping(t.Context()))
}
