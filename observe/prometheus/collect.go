package prometheus

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/distributed-rate-limiter/ratelimit"
)

var limiterLabels = []string{"namespace", "algorithm"}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, append(limiterLabels[:2:2], labels...), nil)
}

var (
	decisions = describe("ratelimit_decisions_total",
		"Decisions, whether Redis took them or the failure mode.", "outcome")
	degraded = describe("ratelimit_degraded_decisions_total",
		"Decisions that the failure mode took, since Redis did not.", "outcome")
	failures = describe("ratelimit_errors_total",
		"Calls that Redis did not answer, by the class of why.", "class")
	breakersOpen = describe("ratelimit_breakers_open",
		"Breakers that are open now.")
	breakersOpened = describe("ratelimit_breakers_opened_total",
		"How often a breaker opened.")
)

// Describe implements [prometheus.Collector].
func (o *Observer) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{decisions, degraded, failures, breakersOpen, breakersOpened} {
		ch <- desc
	}
	o.duration.Describe(ch)
	o.batch.Describe(ch)
}

// Collect implements [prometheus.Collector].
func (o *Observer) Collect(ch chan<- prometheus.Metric) {
	for l := range o.limiters.All() {
		l.collect(ch)
	}
	o.duration.Collect(ch)
	o.batch.Collect(ch)
}

func (l *limiter) collect(ch chan<- prometheus.Metric) {
	count := func(desc *prometheus.Desc, n int64, labels ...string) {
		labels = append([]string{l.namespace, l.algorithm}, labels...)
		ch <- prometheus.MustNewConstMetricWithCreatedTimestamp(desc, prometheus.CounterValue, float64(n), l.since, labels...)
	}
	s := l.counts.Snapshot()
	count(decisions, s.Allowed+s.DegradedAllowed, "allowed")
	count(decisions, s.Denied+s.DegradedDenied, "denied")
	count(degraded, s.DegradedAllowed, "allowed")
	count(degraded, s.DegradedDenied, "denied")
	for _, class := range ratelimit.ErrorClasses() {
		count(failures, s.Errors[class], string(class))
		delete(s.Errors, class)
	}
	for class, n := range s.Errors { // the one that Counts calls other
		count(failures, n, string(class))
	}
	count(breakersOpened, s.BreakersOpened)
	ch <- prometheus.MustNewConstMetric(breakersOpen, prometheus.GaugeValue, float64(s.BreakersOpen), l.namespace, l.algorithm)
}
