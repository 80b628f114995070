package prometheus_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	rlprometheus "github.com/distributed-rate-limiter/ratelimit/observe/prometheus"
)

func TestBadOptions(t *testing.T) {
	for want, option := range map[string]rlprometheus.Option{
		"there are no duration buckets":                                       rlprometheus.WithDurationBuckets(),
		"duration bucket is 0: must be above 0":                               rlprometheus.WithDurationBuckets(0, 1),
		"duration bucket is -1: must be above 0":                              rlprometheus.WithDurationBuckets(-1),
		"duration bucket is NaN: must be above 0":                             rlprometheus.WithDurationBuckets(math.NaN()),
		"duration bucket is +Inf: must be above 0 and finite":                 rlprometheus.WithDurationBuckets(1, math.Inf(1)),
		"duration bucket is 0.5: must be above the one before, 0.5":           rlprometheus.WithDurationBuckets(.5, .5),
		"native histogram factor is 1: must be above 1":                       rlprometheus.WithNativeHistograms(1),
		"native histogram factor is NaN: must be above 1":                     rlprometheus.WithNativeHistograms(math.NaN()),
		"ratelimit/observe/prometheus: native histogram factor is +Inf: must": rlprometheus.WithNativeHistograms(math.Inf(1)),
	} {
		observer, err := rlprometheus.New(nil, option)
		require.ErrorContains(t, err, want)
		require.Nil(t, observer)
	}
}

func TestDurationBuckets(t *testing.T) {
	bounds := []float64{.1, .2}
	option := rlprometheus.WithDurationBuckets(bounds...)
	bounds[0] = 7 // must not change the option
	observer, registry := watch(t, option)
	newLimiter(t, broken{}, observer)
	buckets := gather(t, registry)["ratelimit_decision_duration_seconds"].GetMetric()[0].GetHistogram().GetBucket()
	require.Len(t, buckets, 2)
	require.Equal(t, .1, buckets[0].GetUpperBound())
}

func TestNativeHistograms(t *testing.T) {
	observer, registry := watch(t, rlprometheus.WithNativeHistograms(1.1))
	for i := range 1000 {
		observer.Observe(t.Context(), ratelimit.Event{N: 1, Elapsed: time.Duration(i+1) * time.Millisecond})
	}
	h := gather(t, registry)["ratelimit_decision_duration_seconds"].GetMetric()[0].GetHistogram()
	require.EqualValues(t, 1000, h.GetSampleCount())
	require.EqualValues(t, 3, h.GetSchema(), "2^(1/8) is at most 1.1")
	require.NotEmpty(t, h.GetPositiveSpan())
	require.Len(t, h.GetBucket(), 13, "the others are there, too")
}
