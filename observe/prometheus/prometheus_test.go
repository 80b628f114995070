package prometheus_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	rlprometheus "github.com/distributed-rate-limiter/ratelimit/observe/prometheus"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// counters are the names of the metrics that are not histograms.
var counters = []string{"ratelimit_decisions_total", "ratelimit_degraded_decisions_total", "ratelimit_errors_total",
	"ratelimit_breakers_open", "ratelimit_breakers_opened_total"}

// fresh is what these metrics say of a limiter that has not decided anything yet.
const fresh = `
# HELP ratelimit_breakers_open Breakers that are open now.
# TYPE ratelimit_breakers_open gauge
ratelimit_breakers_open{algorithm="token_bucket",namespace="shop"} 0
# HELP ratelimit_breakers_opened_total How often a breaker opened.
# TYPE ratelimit_breakers_opened_total counter
ratelimit_breakers_opened_total{algorithm="token_bucket",namespace="shop"} 0
# HELP ratelimit_decisions_total Decisions, whether Redis took them or the failure mode.
# TYPE ratelimit_decisions_total counter
ratelimit_decisions_total{algorithm="token_bucket",namespace="shop",outcome="allowed"} 0
ratelimit_decisions_total{algorithm="token_bucket",namespace="shop",outcome="denied"} 0
# HELP ratelimit_degraded_decisions_total Decisions that the failure mode took, since Redis did not.
# TYPE ratelimit_degraded_decisions_total counter
ratelimit_degraded_decisions_total{algorithm="token_bucket",namespace="shop",outcome="allowed"} 0
ratelimit_degraded_decisions_total{algorithm="token_bucket",namespace="shop",outcome="denied"} 0
# HELP ratelimit_errors_total Calls that Redis did not answer, by the class of why.
# TYPE ratelimit_errors_total counter
ratelimit_errors_total{algorithm="token_bucket",class="breaker",namespace="shop"} 0
ratelimit_errors_total{algorithm="token_bucket",class="canceled",namespace="shop"} 0
ratelimit_errors_total{algorithm="token_bucket",class="denied",namespace="shop"} 0
ratelimit_errors_total{algorithm="token_bucket",class="overloaded",namespace="shop"} 0
ratelimit_errors_total{algorithm="token_bucket",class="refused",namespace="shop"} 0
ratelimit_errors_total{algorithm="token_bucket",class="reply",namespace="shop"} 0
ratelimit_errors_total{algorithm="token_bucket",class="script",namespace="shop"} 0
ratelimit_errors_total{algorithm="token_bucket",class="timeout",namespace="shop"} 0
ratelimit_errors_total{algorithm="token_bucket",class="unavailable",namespace="shop"} 0
`

// with returns fresh with some other values, each in the form "name{outcome=x} 1".
func with(t *testing.T, values ...string) string {
	text := fresh
	for _, value := range values {
		head, n, _ := strings.Cut(value, " ")
		name, label, _ := strings.Cut(strings.TrimSuffix(head, "}"), "{")
		label, of, _ := strings.Cut(label, "=")
		found := false
		lines := strings.Split(text, "\n")
		for i, line := range lines {
			if strings.HasPrefix(line, name+"{") && (label == "" || strings.Contains(line, label+`="`+of+`"`)) {
				lines[i] = strings.TrimSuffix(line, " 0") + " " + n
				found = true
			}
		}
		require.True(t, found, value)
		text = strings.Join(lines, "\n")
	}
	return text
}

func TestMetrics(t *testing.T) {
	observer, registry := watch(t)
	readonly := broken{&store.ServerError{Message: "READONLY You can't write against a read only replica."}}
	working := newLimiter(t, startRedis(t), observer)
	open := newLimiter(t, readonly, observer)
	closed := newLimiter(t, readonly, observer, ratelimit.WithFailureMode(ratelimit.FailClosed))
	require.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(fresh), counters...), "before any decision")

	for _, n := range []int64{2, 1, 3, 0} { // allowed, denied, denied, peeked
		allow(t, working, n)
	}
	for _, n := range []int64{2, 1, 3, 0} { // allowed, allowed, denied in any mode, peeked
		allow(t, open, n)
	}
	allow(t, closed, 1)
	_, err := working.Allow(ended(t), "x")
	require.Error(t, err)

	require.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(with(t,
		"ratelimit_decisions_total{outcome=allowed} 3",
		"ratelimit_decisions_total{outcome=denied} 4",
		"ratelimit_degraded_decisions_total{outcome=allowed} 2",
		"ratelimit_degraded_decisions_total{outcome=denied} 2",
		"ratelimit_errors_total{class=unavailable} 5",
		"ratelimit_errors_total{class=canceled} 1",
	)), counters...))

	families := gather(t, registry)
	duration := families["ratelimit_decision_duration_seconds"].GetMetric()
	require.Len(t, duration, 1)
	require.EqualValues(t, 3+4, duration[0].GetHistogram().GetSampleCount(), "each decision, and nothing else")
	require.Positive(t, duration[0].GetHistogram().GetSampleSum())
	batch := families["ratelimit_batch_size"].GetMetric()[0].GetHistogram()
	require.EqualValues(t, 9, batch.GetSampleCount())
	require.EqualValues(t, 9, batch.GetSampleSum())
	for _, m := range families["ratelimit_decisions_total"].GetMetric() {
		require.WithinDuration(t, time.Now(), m.GetCounter().GetCreatedTimestamp().AsTime(), time.Minute)
	}
}

func TestDurationAndBatchBuckets(t *testing.T) {
	observer, registry := watch(t)
	for _, elapsed := range []time.Duration{50 * time.Microsecond, time.Millisecond, 251 * time.Millisecond, time.Minute} {
		observer.Observe(t.Context(), ratelimit.Event{Namespace: "shop", Algorithm: "token_bucket", N: 1, Elapsed: elapsed})
	}
	for _, n := range []int{1, 3, 1024} {
		observer.ObserveRun(ratelimit.RunEvent{Namespace: "shop", Algorithm: "token_bucket", Decisions: n})
	}
	require.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP ratelimit_batch_size How many calls went to Redis in one run of the script.
# TYPE ratelimit_batch_size histogram
ratelimit_batch_size_bucket{algorithm="token_bucket",namespace="shop",le="1"} 1
ratelimit_batch_size_bucket{algorithm="token_bucket",namespace="shop",le="2"} 1
ratelimit_batch_size_bucket{algorithm="token_bucket",namespace="shop",le="4"} 2
ratelimit_batch_size_bucket{algorithm="token_bucket",namespace="shop",le="8"} 2
ratelimit_batch_size_bucket{algorithm="token_bucket",namespace="shop",le="16"} 2
ratelimit_batch_size_bucket{algorithm="token_bucket",namespace="shop",le="32"} 2
ratelimit_batch_size_bucket{algorithm="token_bucket",namespace="shop",le="64"} 2
ratelimit_batch_size_bucket{algorithm="token_bucket",namespace="shop",le="128"} 2
ratelimit_batch_size_bucket{algorithm="token_bucket",namespace="shop",le="256"} 2
ratelimit_batch_size_bucket{algorithm="token_bucket",namespace="shop",le="512"} 2
ratelimit_batch_size_bucket{algorithm="token_bucket",namespace="shop",le="1024"} 3
ratelimit_batch_size_bucket{algorithm="token_bucket",namespace="shop",le="+Inf"} 3
ratelimit_batch_size_sum{algorithm="token_bucket",namespace="shop"} 1028
ratelimit_batch_size_count{algorithm="token_bucket",namespace="shop"} 3
# HELP ratelimit_decision_duration_seconds How long decisions took their callers.
# TYPE ratelimit_decision_duration_seconds histogram
ratelimit_decision_duration_seconds_bucket{algorithm="token_bucket",namespace="shop",le="0.0001"} 1
ratelimit_decision_duration_seconds_bucket{algorithm="token_bucket",namespace="shop",le="0.00025"} 1
ratelimit_decision_duration_seconds_bucket{algorithm="token_bucket",namespace="shop",le="0.0005"} 1
ratelimit_decision_duration_seconds_bucket{algorithm="token_bucket",namespace="shop",le="0.001"} 2
ratelimit_decision_duration_seconds_bucket{algorithm="token_bucket",namespace="shop",le="0.0025"} 2
ratelimit_decision_duration_seconds_bucket{algorithm="token_bucket",namespace="shop",le="0.005"} 2
ratelimit_decision_duration_seconds_bucket{algorithm="token_bucket",namespace="shop",le="0.01"} 2
ratelimit_decision_duration_seconds_bucket{algorithm="token_bucket",namespace="shop",le="0.025"} 2
ratelimit_decision_duration_seconds_bucket{algorithm="token_bucket",namespace="shop",le="0.05"} 2
ratelimit_decision_duration_seconds_bucket{algorithm="token_bucket",namespace="shop",le="0.1"} 2
ratelimit_decision_duration_seconds_bucket{algorithm="token_bucket",namespace="shop",le="0.25"} 2
ratelimit_decision_duration_seconds_bucket{algorithm="token_bucket",namespace="shop",le="0.5"} 3
ratelimit_decision_duration_seconds_bucket{algorithm="token_bucket",namespace="shop",le="1"} 3
ratelimit_decision_duration_seconds_bucket{algorithm="token_bucket",namespace="shop",le="+Inf"} 4
ratelimit_decision_duration_seconds_sum{algorithm="token_bucket",namespace="shop"} 60.25205
ratelimit_decision_duration_seconds_count{algorithm="token_bucket",namespace="shop"} 4
`), "ratelimit_batch_size", "ratelimit_decision_duration_seconds"))
}

func TestBreakers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		observer, registry := watch(t)
		limiter := newLimiter(t, broken{errors.New("broken pipe")}, observer)
		for range 4 {
			allow(t, limiter, 1)
		}
		decided := []string{
			"ratelimit_decisions_total{outcome=allowed} 4", "ratelimit_degraded_decisions_total{outcome=allowed} 4",
			"ratelimit_errors_total{class=unavailable} 3", "ratelimit_errors_total{class=breaker} 1",
			"ratelimit_breakers_opened_total 1",
		}
		require.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(with(t, append(decided, "ratelimit_breakers_open 1")...)), counters...))
		time.Sleep(time.Minute) // the breaker becomes half-open although nobody calls
		synctest.Wait()
		require.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(with(t, decided...)), counters...))
	})
}

// A class of errors that a later version may add counts as "other".
func TestOtherClass(t *testing.T) {
	observer, registry := watch(t)
	observer.Observe(t.Context(), ratelimit.Event{Namespace: "shop", Algorithm: "token_bucket", Class: "new", Err: store.ErrReply})
	want := fresh + `ratelimit_errors_total{algorithm="token_bucket",class="other",namespace="shop"} 1` + "\n"
	require.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(want), counters...))
}

func TestLint(t *testing.T) {
	for _, options := range [][]rlprometheus.Option{nil, {rlprometheus.WithNativeHistograms(1.1)}} {
		observer, registry := watch(t, options...)
		allow(t, newLimiter(t, startRedis(t), observer), 1)
		problems, err := testutil.GatherAndLint(registry)
		require.NoError(t, err)
		require.Empty(t, problems)
	}
}

// TestCardinality checks that there are as many series for 100,000 identities as for 10,
// and as many as the package documents.
func TestCardinality(t *testing.T) {
	observer, registry := watch(t)
	limiter := newLimiter(t, &replay{Store: startRedis(t)}, observer)
	const want = 45
	require.Equal(t, want, series(t, registry))
	for i := range 100_000 {
		_, err := limiter.Allow(t.Context(), fmt.Sprint("user:", i))
		require.NoError(t, err)
		if i == 9 {
			require.Equal(t, want, series(t, registry))
		}
	}
	require.Equal(t, want, series(t, registry))
	require.EqualValues(t, 100_000, gather(t, registry)["ratelimit_decision_duration_seconds"].GetMetric()[0].GetHistogram().GetSampleCount())
	newLimiter(t, broken{}, observer, ratelimit.WithNamespace("login"))
	require.Equal(t, 2*want, series(t, registry))
}

// TestConcurrently checks that each decision and each run counts, while others decide and
// metrics are gathered.
func TestConcurrently(t *testing.T) {
	const workers, requests = 8, 100
	observer, registry := watch(t)
	limiters := []*ratelimit.Limiter{
		newLimiter(t, startRedis(t), observer),
		newLimiter(t, startRedis(t), observer, ratelimit.WithNamespace("login")),
	}
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for i := range requests {
				allow(t, limiters[i%2], 1)
				if i%10 == 0 {
					gather(t, registry)
				}
			}
		})
	}
	group.Wait()
	families := gather(t, registry)
	for _, m := range families["ratelimit_decision_duration_seconds"].GetMetric() {
		require.EqualValues(t, workers*requests/2, m.GetHistogram().GetSampleCount())
	}
	for _, m := range families["ratelimit_batch_size"].GetMetric() {
		require.EqualValues(t, workers*requests/2, m.GetHistogram().GetSampleSum())
	}
	total := 0.0
	for _, m := range families["ratelimit_decisions_total"].GetMetric() {
		total += m.GetCounter().GetValue()
	}
	require.EqualValues(t, workers*requests, total)
}

// A name that is not UTF-8, which no limiter has, does not break a scrape.
func TestBadName(t *testing.T) {
	observer, registry := watch(t)
	observer.Observe(t.Context(), ratelimit.Event{Namespace: "\xff", Algorithm: "token_bucket", N: 1})
	require.Equal(t, 45, series(t, registry))
}

// A user can register the observer with labels and a prefix of their own.
func TestWrapped(t *testing.T) {
	observer, err := rlprometheus.New()
	require.NoError(t, err)
	registry := prometheus.NewPedanticRegistry()
	wrapped := prometheus.WrapRegistererWith(prometheus.Labels{"region": "eu"}, prometheus.WrapRegistererWithPrefix("web_", registry))
	require.NoError(t, wrapped.Register(observer))
	allow(t, newLimiter(t, startRedis(t), observer), 1)
	require.NotNil(t, gather(t, registry)["web_ratelimit_decisions_total"])
	require.True(t, wrapped.Unregister(observer))
	require.Empty(t, gather(t, registry))
}
