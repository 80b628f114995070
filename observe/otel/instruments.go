package otel

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/metric"
)

// counters are the instruments that are read when the provider collects.
type counters struct {
	decisions, degraded, errors, opened metric.Int64ObservableCounter
	open                                metric.Int64ObservableUpDownCounter
}

// instrument makes the instruments.
func (m *Metrics) instrument(meter metric.Meter) error {
	var c counters
	var failed []error
	note := func(err error) { failed = append(failed, err) }
	count := func(name, unit, description string) metric.Int64ObservableCounter {
		counter, err := meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(description))
		note(err)
		return counter
	}
	c.decisions = count("rate_limiting.decisions", "{decision}",
		"Decisions, whether Redis took them or the failure mode.")
	c.degraded = count("rate_limiting.degraded_decisions", "{decision}",
		"Decisions that the failure mode took, since Redis did not.")
	c.errors = count("rate_limiting.errors", "{error}",
		"Calls that Redis did not answer, by the class of why.")
	c.opened = count("rate_limiting.breakers.opened", "{opening}",
		"How often a breaker opened.")
	var err error
	c.open, err = meter.Int64ObservableUpDownCounter("rate_limiting.breakers.open",
		metric.WithUnit("{breaker}"), metric.WithDescription("Breakers that are open now."))
	note(err)
	m.duration, err = meter.Float64Histogram("rate_limiting.decision.duration",
		metric.WithUnit("s"), metric.WithDescription("How long decisions took their callers."),
		metric.WithExplicitBucketBoundaries(.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1))
	note(err)
	m.batch, err = meter.Int64Histogram("rate_limiting.batch.size",
		metric.WithUnit("{decision}"), metric.WithDescription("How many calls went to Redis in one run of the script."),
		metric.WithExplicitBucketBoundaries(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024))
	note(err)
	if err := errors.Join(failed...); err != nil {
		return err
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for l := range m.limiters.All() {
			c.report(o, l)
		}
		return nil
	}, c.decisions, c.degraded, c.errors, c.opened, c.open)
	return err
}

// report tells o what a limiter has counted.
func (c *counters) report(o metric.Observer, l *limiter) {
	s := l.counts.Snapshot()
	o.ObserveInt64(c.decisions, s.Allowed+s.DegradedAllowed, l.allowed...)
	o.ObserveInt64(c.decisions, s.Denied+s.DegradedDenied, l.denied...)
	o.ObserveInt64(c.degraded, s.DegradedAllowed, l.allowed...)
	o.ObserveInt64(c.degraded, s.DegradedDenied, l.denied...)
	for class, options := range l.errors {
		if n := s.Errors[class]; n > 0 || class != otherClass {
			o.ObserveInt64(c.errors, n, options...)
		}
	}
	o.ObserveInt64(c.opened, s.BreakersOpened, l.counted...)
	o.ObserveInt64(c.open, s.BreakersOpen, l.counted...)
}
