package prometheus

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Option changes a default of an [Observer].
type Option interface {
	apply(*config) error
}

type option func(*config) error

func (o option) apply(c *config) error { return o(c) }

type config struct {
	duration, batch prometheus.HistogramOpts
}

func newConfig(options []Option) (config, error) {
	c := config{
		duration: prometheus.HistogramOpts{
			Name: "ratelimit_decision_duration_seconds",
			Help: "How long decisions took their callers.",
			Buckets: []float64{
				.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1,
			},
		},
		batch: prometheus.HistogramOpts{
			Name:    "ratelimit_batch_size",
			Help:    "How many calls went to Redis in one run of the script.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 11), // to 1024, the most calls in a run
		},
	}
	for _, o := range options {
		if o == nil {
			continue
		}
		if err := o.apply(&c); err != nil {
			return config{}, fmt.Errorf("ratelimit/observe/prometheus: %w", err)
		}
	}
	return c, nil
}

// WithDurationBuckets sets the upper bounds of the duration buckets, in seconds. They must
// be above 0 and ascending. The default is thirteen bounds from 0.0001 to 1. One of them
// should be a little above the limiter's timeout. Each bucket is a series for each limiter.
func WithDurationBuckets(seconds ...float64) Option {
	seconds = slices.Clone(seconds)
	return option(func(c *config) error {
		if len(seconds) == 0 {
			return errors.New("there are no duration buckets: must be at least 1")
		}
		for i, bound := range seconds {
			if !(bound > 0) || math.IsInf(bound, 1) {
				return fmt.Errorf("duration bucket is %v: must be above 0 and finite", bound)
			}
			if i > 0 && bound <= seconds[i-1] {
				return fmt.Errorf("duration bucket is %v: must be above the one before, %v", bound, seconds[i-1])
			}
		}
		c.duration.Buckets = seconds
		return nil
	})
}

// WithNativeHistograms makes both histograms native histograms too. A Prometheus that
// scrapes native histograms then ignores the other buckets. Each bucket bound is at most
// factor times the one before it; factor must be above 1, and is usually 1.1. By default
// there are no native histograms. They make a decision cost some 20 ns more. A histogram has
// at most 160 buckets; if it needs more, it is reset, at most once an hour.
func WithNativeHistograms(factor float64) Option {
	return option(func(c *config) error {
		if !(factor > 1) || math.IsInf(factor, 1) {
			return fmt.Errorf("native histogram factor is %v: must be above 1 and finite", factor)
		}
		for _, h := range []*prometheus.HistogramOpts{&c.duration, &c.batch} {
			h.NativeHistogramBucketFactor = factor
			h.NativeHistogramMaxBucketNumber = 160
			h.NativeHistogramMinResetDuration = time.Hour
		}
		return nil
	})
}
