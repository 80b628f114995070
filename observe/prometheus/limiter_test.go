package prometheus_test

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	rlprometheus "github.com/distributed-rate-limiter/ratelimit/observe/prometheus"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
)

// limit lets two requests through.
var limit = tokenbucket.Limit{Rate: 2, Period: time.Hour}

// watch returns an observer and the registry that it is in.
func watch(t testing.TB, options ...rlprometheus.Option) (*rlprometheus.Observer, *prometheus.Registry) {
	t.Helper()
	observer, err := rlprometheus.New(options...)
	require.NoError(t, err)
	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, registry.Register(observer))
	return observer, registry
}

func newLimiter(t testing.TB, s store.Store, o ratelimit.Observer, options ...ratelimit.Option) *ratelimit.Limiter {
	t.Helper()
	options = append([]ratelimit.Option{
		ratelimit.WithNamespace("shop"),
		ratelimit.WithTimeout(10 * time.Second),
		ratelimit.WithObserver(o),
	}, options...)
	limiter, err := ratelimit.New(s, limit, options...)
	require.NoError(t, err)
	return limiter
}

func allow(t testing.TB, l *ratelimit.Limiter, n int64) {
	t.Helper()
	_, err := l.AllowN(t.Context(), "jane.doe@example.com", n)
	require.NoError(t, err)
}

func startRedis(t testing.TB) *embedded.Redis {
	t.Helper()
	redis, err := embedded.Start()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, redis.Close()) })
	return redis
}

// broken is a store that fails.
type broken struct{ err error }

func (b broken) Run(context.Context, *store.Script, []string, []int64) ([]int64, error) {
	return nil, b.err
}

// replay is a store that asks another one once, and then repeats its reply.
type replay struct {
	store.Store
	reply []int64
}

func (r *replay) Prompt() bool { return true }

func (r *replay) Run(ctx context.Context, s *store.Script, keys []string, args []int64) (_ []int64, err error) {
	if r.reply == nil {
		r.reply, err = r.Store.Run(ctx, s, keys, args)
	}
	return r.reply, err
}

// gather returns all metrics by name.
func gather(t testing.TB, g prometheus.Gatherer) map[string]*dto.MetricFamily {
	t.Helper()
	all, err := g.Gather()
	require.NoError(t, err)
	families := map[string]*dto.MetricFamily{}
	for _, family := range all {
		families[family.GetName()] = family
	}
	return families
}

// series returns the number of series, as Prometheus stores them: several for a histogram.
func series(t testing.TB, g prometheus.Gatherer) (n int) {
	t.Helper()
	for _, family := range gather(t, g) {
		for _, m := range family.GetMetric() {
			n++
			if h := m.GetHistogram(); h != nil {
				n += len(h.GetBucket()) + 2 // in all: the buckets, that of +Inf, the sum and the count
			}
		}
	}
	return n
}

// ended returns a context that has ended.
func ended(t testing.TB) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
