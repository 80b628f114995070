package main

import (
	"slices"
	"time"
)

// median returns the middle value, or the mean of the middle two. It is 0 if there is
// none.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// medianOf returns the median of one figure over the rounds.
func (o *outcome) medianOf(figure func(sample) float64) float64 {
	var values []float64
	for _, s := range o.samples {
		values = append(values, figure(s))
	}
	return median(values)
}

// figures returns the median of each figure over the rounds, and the sums of what went
// wrong.
func (o *outcome) figures() (f sample) {
	f.perSecond = o.medianOf(func(s sample) float64 { return s.perSecond })
	f.p50 = time.Duration(o.medianOf(func(s sample) float64 { return float64(s.p50) }))
	f.p99 = time.Duration(o.medianOf(func(s sample) float64 { return float64(s.p99) }))
	f.redisCPU = o.medianOf(func(s sample) float64 { return s.redisCPU })
	f.clientCPU = o.medianOf(func(s sample) float64 { return s.clientCPU })
	f.allocs = o.medianOf(func(s sample) float64 { return s.allocs })
	f.bytes = o.medianOf(func(s sample) float64 { return s.bytes })
	for _, s := range o.samples {
		f.decisions += s.decisions
		f.failed += s.failed
		f.wrong += s.wrong
		if f.err == nil {
			f.err = s.err
		}
	}
	return f
}

// ratioTo returns the median over rounds of the throughput divided by that of another
// contestant in the same round. It is false if the other was not measured.
func (o *outcome) ratioTo(other *outcome) (float64, bool) {
	if other == nil {
		return 0, false
	}
	return ratio(o.samples, other.samples, func(s sample) float64 { return s.perSecond })
}

// latencyTo is like ratioTo, for the median latency.
func (o *outcome) latencyTo(other *outcome) (float64, bool) {
	if other == nil {
		return 0, false
	}
	return ratio(o.samples, other.samples, func(s sample) float64 { return float64(s.p50) })
}

// ratio returns the median over rounds of a figure of samples divided by that of others in
// the same round. It is false if there is no such round.
func ratio(samples, others []sample, figure func(sample) float64) (float64, bool) {
	var ratios []float64
	for i := range min(len(samples), len(others)) {
		if base := figure(others[i]); base > 0 {
			ratios = append(ratios, figure(samples[i])/base)
		}
	}
	return median(ratios), len(ratios) > 0
}

// of returns the outcome of the contestant of that name, or nil.
func (r *result) of(name string) *outcome {
	for _, o := range r.outcomes {
		if o.contestant.name == name && len(o.samples) > 0 {
			return o
		}
	}
	return nil
}
