package httplimit_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// stepStore is a store that decides by the limit's Step in Go and the bubble's clock. Its
// limiter must not batch.
type stepStore struct {
	step func(state string, now, n int64) (string, stepOutcome)

	mu     sync.Mutex
	states map[string]string
	asked  int
}

type stepOutcome struct{ retry, remaining, reset int64 }

func (s *stepStore) Prompt() bool { return true }

func (s *stepStore) Run(_ context.Context, _ *store.Script, keys []string, args []int64) ([]int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now().UnixMicro()
	s.asked++
	next, out := s.step(s.states[keys[0]], now, args[len(args)-2])
	s.states[keys[0]] = next
	return []int64{now, out.retry, out.remaining, out.reset}, nil
}

// waiting returns a function that sends a request to http://example followed by to, and
// the store that decides it. A request costs as many units as its path has bytes. The
// limit has a burst of 3, and one unit comes back each second.
func waiting(t *testing.T, wait time.Duration) (send func(ctx context.Context, to string) error, s *stepStore) {
	limit := tokenbucket.Limit{Rate: 1, Period: time.Second, Burst: 3}
	plan, err := limit.Compile()
	require.NoError(t, err)
	s = &stepStore{states: map[string]string{}, step: func(state string, now, n int64) (string, stepOutcome) {
		next, out := plan.Step(state, now, n)
		return next, stepOutcome{out.RetryAfter, out.Remaining, out.ResetAfter}
	}}
	limiter := newLimiter(t, s, limit, ratelimit.WithoutBatching())
	base := transportFunc(func(*http.Request) (*http.Response, error) { return &http.Response{}, nil })
	transport, err := httplimit.NewTransport(base, limiter, httplimit.Host, httplimit.WithWait(wait),
		httplimit.WithTransportCost(func(r *http.Request) int64 { return int64(len(r.URL.Path)) }))
	require.NoError(t, err)
	return func(ctx context.Context, to string) error {
		r := httptest.NewRequest("GET", "http://example"+to, nil).WithContext(ctx)
		_, err := transport.RoundTrip(r)
		return err
	}, s
}

// A request that waits is sent at the very instant at which its units are there, and asks
// the limiter again only then.
func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		send, s := waiting(t, time.Hour)
		begin := time.Now()
		require.NoError(t, send(t.Context(), "/12"))
		require.Zero(t, time.Since(begin))
		require.NoError(t, send(t.Context(), "/"))
		require.Equal(t, time.Second, time.Since(begin))
		require.NoError(t, send(t.Context(), "/1"))
		require.Equal(t, 3*time.Second, time.Since(begin))
		require.Equal(t, 5, s.asked)
		require.NoError(t, send(t.Context(), "/"))
		require.Equal(t, 4*time.Second, time.Since(begin), "who waits is charged what they asked for")
	})
}

// A request fails at once if its units would come too late, or never.
func TestWaitTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		send, _ := waiting(t, 2*time.Second)
		begin := time.Now()
		require.NoError(t, send(t.Context(), "/12"))
		var denied *httplimit.DeniedError
		require.ErrorAs(t, send(t.Context(), "/12"), &denied) // 3 s
		require.Equal(t, 3*time.Second, denied.Result.RetryAfter)
		require.ErrorAs(t, send(t.Context(), "/123"), &denied) // for ever
		ctx, cancel := context.WithTimeout(t.Context(), time.Second-time.Microsecond)
		defer cancel()
		require.ErrorAs(t, send(ctx, "/"), &denied)
		require.NoError(t, ctx.Err())
		require.Zero(t, time.Since(begin))

		require.NoError(t, send(t.Context(), "/1")) // 2 s: just in time
		require.Equal(t, 2*time.Second, time.Since(begin))
	})
}

// A request leaves its line when its context ends, or when its turn comes and the wait
// would be too long. The requests behind it are served all the same.
func TestWaitLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		send, _ := waiting(t, 3*time.Second)
		begin := time.Now()
		require.NoError(t, send(t.Context(), "/12"))
		canceled, cancel := context.WithCancel(t.Context())
		late, stop := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer stop()
		var group sync.WaitGroup
		results := make([]error, 5)
		ends := make([]time.Duration, 5)
		for i, ctx := range []context.Context{t.Context(), canceled, late, late, t.Context()} {
			group.Go(func() {
				results[i] = send(ctx, "/")
				ends[i] = time.Since(begin)
			})
			synctest.Wait()
		}
		time.Sleep(500 * time.Millisecond)
		cancel()
		group.Wait()
		require.NoError(t, results[0])
		require.ErrorIs(t, results[1], context.Canceled)
		require.EqualError(t, results[1], "httplimit: wait for the rate limit was given up: context canceled")
		require.NoError(t, results[2])
		require.ErrorIs(t, results[3], httplimit.ErrDenied) // at 2 s it learns that it would have to wait until 3 s
		require.NoError(t, results[4])
		require.Equal(t, []time.Duration{1 * time.Second, 500 * time.Millisecond, 2 * time.Second, 2 * time.Second, 3 * time.Second}, ends)
	})
}

// When the context of the first request in a line ends, the next one takes its place.
func TestWaitFirstLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		send, _ := waiting(t, time.Hour)
		begin := time.Now()
		require.NoError(t, send(t.Context(), "/12"))
		first, cancel := context.WithCancel(t.Context())
		go func() { time.Sleep(300 * time.Millisecond); cancel() }()
		var group sync.WaitGroup
		group.Go(func() { require.ErrorIs(t, send(first, "/1"), context.Canceled) })
		synctest.Wait()
		require.NoError(t, send(t.Context(), "/"))
		require.Equal(t, time.Second, time.Since(begin))
		group.Wait()
	})
}

// A request whose turn does not come in time gives up when its longest wait is over.
func TestWaitEndsInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		send, _ := waiting(t, 2*time.Second)
		begin := time.Now()
		require.NoError(t, send(t.Context(), "/12"))
		var group sync.WaitGroup
		group.Go(func() { require.NoError(t, send(t.Context(), "/1")) }) // until 2 s
		synctest.Wait()
		err := send(t.Context(), "/")
		require.ErrorIs(t, err, httplimit.ErrDenied)
		require.Equal(t, 2*time.Second, time.Since(begin))
		group.Wait()
	})
}

// Requests that wait for one host do not hold up requests to another.
func TestWaitOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		send, _ := waiting(t, time.Hour)
		begin := time.Now()
		require.NoError(t, send(t.Context(), "/12"))
		var group sync.WaitGroup
		group.Go(func() { require.NoError(t, send(t.Context(), "/12")) })
		synctest.Wait()
		require.NoError(t, send(t.Context(), ".net/12"))
		require.Zero(t, time.Since(begin))
		require.NoError(t, send(t.Context(), ".net/"))
		require.Equal(t, time.Second, time.Since(begin))
		group.Wait()
		require.Equal(t, 3*time.Second, time.Since(begin))
	})
}

// The Timeout of [http.Client] includes the wait.
func TestWaitWithinTimeoutOfClient(t *testing.T) {
	server := startUpstream(t, helloServer)
	limiter := transportLimiter(t, startRedis(t)) // whose clock stands still
	client := &http.Client{Transport: newTransport(t, server.Client().Transport, limiter, httplimit.WithWait(time.Hour)), Timeout: 900 * time.Millisecond}
	for range 2 {
		response, err := client.Get(server.URL)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
	}
	_, err := client.Get(server.URL)
	require.ErrorIs(t, err, httplimit.ErrDenied)
	require.EqualValues(t, 2, server.requests.Load())
}

// TestWaitTellsOfTimeouts checks that the error of a wait tells whether it was a timeout,
// which net/http asks of errors.
func TestWaitTellsOfTimeouts(t *testing.T) {
	for _, timeout := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			send, _ := waiting(t, time.Hour)
			require.NoError(t, send(t.Context(), "/12"))
			go send(t.Context(), "/12") // at the head of the line, for 3 s
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			if !timeout {
				time.AfterFunc(time.Second, cancel)
			}
			var told interface{ Timeout() bool }
			require.ErrorAs(t, send(ctx, "/"), &told)
			require.Equal(t, timeout, told.Timeout())
			time.Sleep(time.Minute)
		})
	}
}
