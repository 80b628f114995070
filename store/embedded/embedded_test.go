package embedded

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	incr   = store.NewScript("incr", "return {redis.call('INCRBY', KEYS[1], ARGV[1])}")
	echo   = store.NewScript("echo", "return {#KEYS, #ARGV, tonumber(ARGV[1])}")
	noList = store.NewScript("no list", "return 'text'")
	fails  = store.NewScript("fails", "return redis.error_reply('OOM out of it')")
)

// start returns a Redis that is closed at the end of the test.
func start(t *testing.T) *Redis {
	t.Helper()
	r, err := Start()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

// connect returns a client of the test's own, such as a user's program would have.
func connect(t *testing.T, r *Redis) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(r.URL())
	require.NoError(t, err)
	require.Equal(t, r.Addr(), options.Addr)
	client := redis.NewClient(options)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return client
}

func TestRun(t *testing.T) {
	r := start(t)
	got, err := r.Run(t.Context(), echo, []string{"a", "b"}, []int64{-1 << 53, 7, 0})
	require.NoError(t, err)
	require.Equal(t, []int64{2, 3, -1 << 53}, got)
	require.True(t, r.Prompt())
}

func TestRunErrors(t *testing.T) {
	r := start(t)
	_, err := r.Run(t.Context(), noList, nil, nil)
	require.ErrorIs(t, err, store.ErrReply)

	_, err = r.Run(t.Context(), fails, nil, nil)
	var reply *store.ServerError
	require.ErrorAs(t, err, &reply)
	require.Equal(t, "OOM", reply.Prefix())
}

func TestRunAfterScriptFlush(t *testing.T) {
	r := start(t)
	client := connect(t, r)
	for want := int64(1); want <= 3; want++ {
		require.NoError(t, client.ScriptFlush(t.Context()).Err())
		got, err := r.Run(t.Context(), incr, []string{"k"}, []int64{1})
		require.NoError(t, err)
		require.Equal(t, []int64{want}, got, "it ran once")
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	r := start(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := r.Run(ended, incr, []string{"k"}, []int64{1})
	require.ErrorIs(t, err, context.Canceled)

	r.server.Lock() // so that it does not answer
	defer r.server.Unlock()
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = r.Run(short, incr, []string{"k"}, []int64{1})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestRunConcurrently(t *testing.T) {
	r := start(t)
	const workers, runs = 4, 200
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for range runs {
				if _, err := r.Run(t.Context(), incr, []string{"k"}, []int64{1}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Go(func() { // moving the clock disturbs no run
		for range runs {
			r.Advance(time.Millisecond)
			r.SetTime(r.Now().Add(-time.Microsecond))
		}
	})
	group.Wait()
	got, err := r.Run(t.Context(), incr, []string{"k"}, []int64{0})
	require.NoError(t, err)
	require.Equal(t, []int64{workers * runs}, got)
}

func TestOthersSeeTheSame(t *testing.T) {
	r := start(t)
	_, err := r.Run(t.Context(), incr, []string{"k"}, []int64{5})
	require.NoError(t, err)
	require.Equal(t, "5", connect(t, r).Get(t.Context(), "k").Val())

	_, err = start(t).Run(t.Context(), incr, []string{"k"}, []int64{1})
	require.NoError(t, err)
	require.Equal(t, "5", connect(t, r).Get(t.Context(), "k").Val(), "each Start has its own")
}

func TestClose(t *testing.T) {
	r := start(t)
	_, err := r.Run(t.Context(), incr, []string{"k"}, []int64{1})
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.NoError(t, r.Close())

	_, err = r.Run(t.Context(), incr, []string{"k"}, []int64{1})
	require.Error(t, err)
	_, err = net.Dial("tcp", r.Addr())
	require.Error(t, err)
	r.Advance(time.Second) // has no effect, and does no harm
	require.NotZero(t, r.Now())
}
