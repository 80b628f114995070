package httplimit_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// says is a store that decides every request as its fields say, or fails with err. In a
// joint decision, its fields are for the first limit, and after has those for the next.
type says struct {
	now          time.Time
	retry, reset time.Duration
	remaining    int64
	err          error
	after        *says
}

func (s *says) Run(context.Context, *store.Script, []string, []int64) ([]int64, error) {
	if s.err != nil {
		return nil, s.err
	}
	reply := append(make([]int64, 0, 4), s.now.UnixMicro())
	for ; s != nil; s = s.after {
		retry := s.retry.Microseconds()
		if s.retry == algorithm.Never {
			retry = algorithm.NeverRetry
		}
		reply = append(reply, retry, s.remaining, s.reset.Microseconds())
	}
	return reply, nil
}

func (*says) Prompt() bool { return true }

var away = &says{err: errors.New("connection refused")}

func newLimiter(t testing.TB, s store.Store, a algorithm.Algorithm, options ...ratelimit.Option) *ratelimit.Limiter {
	t.Helper()
	options = append([]ratelimit.Option{ratelimit.WithTimeout(10 * time.Second)}, options...) // the machine may be busy
	limiter, err := ratelimit.New(s, a, options...)
	require.NoError(t, err)
	return limiter
}

// startRedis returns a Redis whose clock stands still.
func startRedis(t testing.TB) *embedded.Redis {
	t.Helper()
	redis, err := embedded.Start()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, redis.Close()) })
	redis.SetTime(time.Date(2026, 5, 1, 12, 0, 0, 250_000_000, time.UTC))
	return redis
}

// perMinute returns a limiter of n units a minute on s, in the namespace name.
func perMinute(t testing.TB, s store.Store, name string, n int64, options ...ratelimit.Option) *ratelimit.Limiter {
	t.Helper()
	return newLimiter(t, s, tokenbucket.Limit{Rate: n, Period: time.Minute}, append(options, ratelimit.WithNamespace(name))...)
}

func wrap(t testing.TB, limiter *ratelimit.Limiter, identity httplimit.Identity, next http.Handler, options ...httplimit.Option) http.Handler {
	t.Helper()
	limit, err := httplimit.New(limiter, identity, options...)
	require.NoError(t, err)
	return limit(next)
}

func wrapAll(t testing.TB, limits []httplimit.Limit, next http.Handler, options ...httplimit.Option) http.Handler {
	t.Helper()
	limit, err := httplimit.NewAll(limits, options...)
	require.NoError(t, err)
	return limit(next)
}

// ok answers 200.
var ok = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok")) })

// never fails the test if it is called.
func never(t testing.TB) http.Handler {
	return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler was called") })
}

// do sends a GET request to a handler, with the changes made to the request first.
func do(h http.Handler, changes ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, change := range changes {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// with returns a change that adds a header field to a request.
func with(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Add(name, value) }
}

func alice(*http.Request) string { return "alice" }
