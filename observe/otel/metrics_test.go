package otel_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	noop "go.opentelemetry.io/otel/metric/noop"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/distributed-rate-limiter/ratelimit"
	rlotel "github.com/distributed-rate-limiter/ratelimit/observe/otel"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// measure returns metrics, and a reader of what they measure.
func measure(t testing.TB, options ...sdk.Option) (*rlotel.Metrics, *sdk.ManualReader) {
	t.Helper()
	reader := sdk.NewManualReader()
	provider := sdk.NewMeterProvider(append(options, sdk.WithReader(reader))...)
	t.Cleanup(func() { require.NoError(t, provider.Shutdown(context.Background())) })
	metrics, err := rlotel.NewMetrics(provider)
	require.NoError(t, err)
	return metrics, reader
}

// collect returns all metrics by name.
func collect(t testing.TB, reader *sdk.ManualReader) map[string]metricdata.Metrics {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(context.Background(), &all))
	named := map[string]metricdata.Metrics{}
	for _, scope := range all.ScopeMetrics {
		require.Equal(t, "github.com/distributed-rate-limiter/ratelimit/observe/otel", scope.Scope.Name)
		for _, m := range scope.Metrics {
			named[m.Name] = m
		}
	}
	return named
}

func set(more ...attribute.KeyValue) attribute.Set {
	return attribute.NewSet(append(more,
		attribute.String("rate_limiting.namespace", "shop"), attribute.String("rate_limiting.algorithm", "token_bucket"))...)
}

// counts has what a limiter should have counted.
type counts struct {
	allowed, denied, degradedAllowed, degradedDenied int64
	errors                                           map[ratelimit.ErrorClass]int64
	open, opened                                     int64
}

// requireCounts requires the metrics that are not histograms to have these values.
func requireCounts(t *testing.T, reader *sdk.ManualReader, want counts) {
	t.Helper()
	got := collect(t, reader)
	sum := func(monotonic bool, points ...metricdata.DataPoint[int64]) metricdata.Sum[int64] {
		return metricdata.Sum[int64]{Temporality: metricdata.CumulativeTemporality, IsMonotonic: monotonic, DataPoints: points}
	}
	outcomes := func(allowed, denied int64) metricdata.Sum[int64] {
		return sum(true,
			metricdata.DataPoint[int64]{Attributes: set(attribute.String("rate_limiting.outcome", "allowed")), Value: allowed},
			metricdata.DataPoint[int64]{Attributes: set(attribute.String("rate_limiting.outcome", "denied")), Value: denied})
	}
	var failures []metricdata.DataPoint[int64]
	for _, class := range ratelimit.ErrorClasses() {
		failures = append(failures, metricdata.DataPoint[int64]{
			Attributes: set(attribute.String("error.type", string(class))), Value: want.errors[class]})
	}
	if n := want.errors["other"]; n > 0 {
		failures = append(failures, metricdata.DataPoint[int64]{Attributes: set(attribute.String("error.type", "_OTHER")), Value: n})
	}
	for _, m := range []metricdata.Metrics{
		{Name: "rate_limiting.decisions", Unit: "{decision}", Data: outcomes(want.allowed, want.denied),
			Description: "Decisions, whether Redis took them or the failure mode."},
		{Name: "rate_limiting.degraded_decisions", Unit: "{decision}", Data: outcomes(want.degradedAllowed, want.degradedDenied),
			Description: "Decisions that the failure mode took, since Redis did not."},
		{Name: "rate_limiting.errors", Unit: "{error}", Data: sum(true, failures...),
			Description: "Calls that Redis did not answer, by the class of why."},
		{Name: "rate_limiting.breakers.open", Unit: "{breaker}", Data: sum(false, metricdata.DataPoint[int64]{Attributes: set(), Value: want.open}),
			Description: "Breakers that are open now."},
		{Name: "rate_limiting.breakers.opened", Unit: "{opening}", Data: sum(true, metricdata.DataPoint[int64]{Attributes: set(), Value: want.opened}),
			Description: "How often a breaker opened."},
	} {
		metricdatatest.AssertEqual(t, m, got[m.Name], metricdatatest.IgnoreTimestamp())
	}
}

func TestMetrics(t *testing.T) {
	metrics, reader := measure(t)
	readonly := broken{&store.ServerError{Message: "READONLY You can't write against a read only replica."}}
	working := newLimiter(t, startRedis(t), metrics)
	open := newLimiter(t, readonly, metrics)
	closed := newLimiter(t, readonly, metrics, ratelimit.WithFailureMode(ratelimit.FailClosed))
	requireCounts(t, reader, counts{}) // before any decision

	ctx := t.Context()
	for _, n := range []int64{2, 1, 3, 0} { // allowed, denied, denied, peeked
		allow(t, ctx, working, n)
	}
	for _, n := range []int64{2, 1, 3, 0} { // allowed, allowed, denied in any mode, peeked
		allow(t, ctx, open, n)
	}
	allow(t, ctx, closed, 1)
	_, err := working.Allow(ended(ctx), "x")
	require.Error(t, err)
	requireCounts(t, reader, counts{
		allowed: 3, denied: 4, degradedAllowed: 2, degradedDenied: 2,
		errors: map[ratelimit.ErrorClass]int64{ratelimit.ClassUnavailable: 5, ratelimit.ClassCanceled: 1},
	})
	got := collect(t, reader)
	duration := got["rate_limiting.decision.duration"].Data.(metricdata.Histogram[float64]).DataPoints
	require.Len(t, duration, 1)
	require.EqualValues(t, 3+4, duration[0].Count, "each decision, and nothing else")
	batch := got["rate_limiting.batch.size"].Data.(metricdata.Histogram[int64]).DataPoints
	require.Len(t, batch, 1)
	require.EqualValues(t, 9, batch[0].Count)
	require.EqualValues(t, 9, batch[0].Sum)

	metrics.Observe(ctx, ratelimit.Event{Namespace: "shop", Algorithm: "token_bucket", Class: "new", Err: store.ErrReply})
	requireCounts(t, reader, counts{
		allowed: 3, denied: 4, degradedAllowed: 2, degradedDenied: 2,
		errors: map[ratelimit.ErrorClass]int64{ratelimit.ClassUnavailable: 5, ratelimit.ClassCanceled: 1, "other": 1},
	})
}

func TestHistograms(t *testing.T) {
	metrics, reader := measure(t)
	for _, elapsed := range []time.Duration{0, time.Millisecond, 250 * time.Millisecond, 2 * time.Second} {
		metrics.Observe(t.Context(), ratelimit.Event{Namespace: "shop", Algorithm: "token_bucket", N: 1, Elapsed: elapsed})
	}
	for _, n := range []int{1, 3, 1024} {
		metrics.ObserveRun(ratelimit.RunEvent{Namespace: "shop", Algorithm: "token_bucket", Decisions: n})
	}
	got := collect(t, reader)
	metricdatatest.AssertEqual(t, metricdata.Metrics{
		Name: "rate_limiting.decision.duration", Unit: "s", Description: "How long decisions took their callers.",
		Data: metricdata.Histogram[float64]{Temporality: metricdata.CumulativeTemporality, DataPoints: []metricdata.HistogramDataPoint[float64]{{
			Attributes: set(), Count: 4, Sum: 2.251, Min: metricdata.NewExtrema(0.), Max: metricdata.NewExtrema(2.),
			Bounds:       []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1},
			BucketCounts: []uint64{1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1},
		}}},
	}, got["rate_limiting.decision.duration"], metricdatatest.IgnoreTimestamp())
	metricdatatest.AssertEqual(t, metricdata.Metrics{
		Name: "rate_limiting.batch.size", Unit: "{decision}", Description: "How many calls went to Redis in one run of the script.",
		Data: metricdata.Histogram[int64]{Temporality: metricdata.CumulativeTemporality, DataPoints: []metricdata.HistogramDataPoint[int64]{{
			Attributes: set(), Count: 3, Sum: 1028, Min: metricdata.NewExtrema[int64](1), Max: metricdata.NewExtrema[int64](1024),
			Bounds:       []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024},
			BucketCounts: []uint64{1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0},
		}}},
	}, got["rate_limiting.batch.size"], metricdatatest.IgnoreTimestamp())
}

func TestBreakers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		metrics, reader := measure(t)
		limiter := newLimiter(t, broken{errors.New("broken pipe")}, metrics)
		for range 4 {
			allow(t, t.Context(), limiter, 1)
		}
		want := counts{allowed: 4, degradedAllowed: 4, open: 1, opened: 1,
			errors: map[ratelimit.ErrorClass]int64{ratelimit.ClassUnavailable: 3, ratelimit.ClassBreaker: 1}}
		requireCounts(t, reader, want)
		time.Sleep(time.Minute) // the breaker becomes half-open although nobody calls
		synctest.Wait()
		want.open = 0
		requireCounts(t, reader, want)
	})
}

// TestCardinality checks that there are as many data points for 100,000 identities as for
// 10.
func TestCardinality(t *testing.T) {
	metrics, reader := measure(t)
	limiter := newLimiter(t, &replay{Store: startRedis(t)}, metrics)
	points := func() (n int) {
		for _, m := range collect(t, reader) {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				n += len(data.DataPoints)
			case metricdata.Histogram[int64]:
				n += len(data.DataPoints)
			case metricdata.Histogram[float64]:
				n += len(data.DataPoints)
			default:
				require.Fail(t, "unexpected", "%T", data)
			}
		}
		return n
	}
	const want = 2 + 2 + 9 + 1 + 1 + 1 + 1
	for i := range 100_000 {
		_, err := limiter.Allow(t.Context(), fmt.Sprint("user:", i))
		require.NoError(t, err)
		if i == 9 {
			require.Equal(t, want, points())
		}
	}
	require.Equal(t, want, points())
	duration := collect(t, reader)["rate_limiting.decision.duration"].Data.(metricdata.Histogram[float64]).DataPoints
	require.EqualValues(t, 100_000, duration[0].Count)
}

// TestConcurrently checks that each decision and each run counts, while others decide and
// metrics are collected.
func TestConcurrently(t *testing.T) {
	const workers, requests = 8, 100
	metrics, reader := measure(t)
	limiters := []*ratelimit.Limiter{
		newLimiter(t, startRedis(t), metrics),
		newLimiter(t, startRedis(t), metrics, ratelimit.WithNamespace("login")),
	}
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for i := range requests {
				if _, err := limiters[i%2].Allow(t.Context(), identity); err != nil {
					t.Error(err)
				}
				if i%10 == 0 {
					var all metricdata.ResourceMetrics
					if err := reader.Collect(t.Context(), &all); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	group.Wait()
	got := collect(t, reader)
	for _, point := range got["rate_limiting.decision.duration"].Data.(metricdata.Histogram[float64]).DataPoints {
		require.EqualValues(t, workers*requests/2, point.Count)
	}
	for _, point := range got["rate_limiting.batch.size"].Data.(metricdata.Histogram[int64]).DataPoints {
		require.EqualValues(t, workers*requests/2, point.Sum)
	}
	var total int64
	for _, point := range got["rate_limiting.decisions"].Data.(metricdata.Sum[int64]).DataPoints {
		total += point.Value
	}
	require.EqualValues(t, workers*requests, total)
}

// A view can drop the duration and keep the other metrics.
func TestDropped(t *testing.T) {
	metrics, reader := measure(t, sdk.WithView(sdk.NewView(
		sdk.Instrument{Name: "rate_limiting.decision.duration"}, sdk.Stream{Aggregation: sdk.AggregationDrop{}})))
	allow(t, t.Context(), newLimiter(t, startRedis(t), metrics), 1)
	got := collect(t, reader)
	require.NotContains(t, got, "rate_limiting.decision.duration")
	require.Contains(t, got, "rate_limiting.decisions")
}

func TestNewMetrics(t *testing.T) {
	for _, provider := range []metric.MeterProvider{nil, (*sdk.MeterProvider)(nil)} {
		metrics, err := rlotel.NewMetrics(provider)
		require.EqualError(t, err, "ratelimit/observe/otel: meter provider is nil")
		require.Nil(t, metrics)
	}
	_, err := rlotel.NewMetrics(refusing{})
	require.ErrorIs(t, err, errRefused)

	metrics, err := rlotel.NewMetrics(noop.NewMeterProvider())
	require.NoError(t, err)
	allow(t, t.Context(), newLimiter(t, startRedis(t), metrics), 1)
}

var errRefused = errors.New("refused")

// refusing is a provider whose meters refuse one kind of instrument.
type refusing struct{ noop.MeterProvider }

func (refusing) Meter(string, ...metric.MeterOption) metric.Meter { return refusingMeter{} }

type refusingMeter struct{ noop.Meter }

func (refusingMeter) Int64Histogram(string, ...metric.Int64HistogramOption) (metric.Int64Histogram, error) {
	return nil, errRefused
}
