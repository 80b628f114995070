// Package prometheus provides an observer of limiters whose metrics Prometheus scrapes.
//
//	import rlprometheus "github.com/distributed-rate-limiter/ratelimit/observe/prometheus"
//
//	observer, err := rlprometheus.New()
//	…
//	registry.MustRegister(observer)
//	limiter, err := ratelimit.New(store, limit, ratelimit.WithObserver(observer))
//
// One observer may serve any number of limiters. It does not register itself.
//
//	ratelimit_decisions_total            counter    namespace, algorithm, outcome
//	ratelimit_degraded_decisions_total   counter    namespace, algorithm, outcome
//	ratelimit_decision_duration_seconds  histogram  namespace, algorithm
//	ratelimit_errors_total               counter    namespace, algorithm, class
//	ratelimit_batch_size                 histogram  namespace, algorithm
//	ratelimit_breakers_open              gauge      namespace, algorithm
//	ratelimit_breakers_opened_total      counter    namespace, algorithm
//
// namespace and algorithm are the limiter's, as in its keys; outcome is "allowed" or
// "denied"; class is one of [ratelimit.ErrorClasses], or "other" for a class of a later
// version. No part of an identity is ever a label, so the number of series depends only on
// the number of limiters: 45 for each, including the buckets of both histograms. Limiters
// beyond the first thousand, as in a program that makes one for each tenant, are treated as
// one, named "(others)".
//
// Decisions are those made for the limiter's callers; Peeks, and calls whose own context
// ended, are not decisions and have no outcome. Degraded decisions, which the failure mode
// made, are also among all decisions; ratelimit_degraded_decisions_total says how many there
// are. The duration is that of the whole call, including the wait for a run. Errors are all
// calls that Redis did not answer, including Peeks and calls that were given up. The size of
// a batch is how many calls went to Redis in one run of the script.
//
// All series of a limiter exist from its creation on, beginning at 0, so that rate() misses
// nothing. The exception is class "other", which appears with its first error.
//
// If scraped targets have a label called namespace, as on Kubernetes, Prometheus renames
// the label of these metrics to exported_namespace, unless the scrape's honor_labels is true.
//
// This expression alerts when limits are not enforced, because Redis does not decide:
//
//	sum by (namespace) (rate(ratelimit_degraded_decisions_total[5m])) > 0
//
// Open breakers would not show all such cases: none is open while Redis answers with errors,
// as it does when it is out of memory or refuses the user.
//
// grafana/dashboard.json shows all of these metrics: import it, and choose the data source.
package prometheus

import (
	"context"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/internal/perlimiter"
	"github.com/distributed-rate-limiter/ratelimit/observe"
)

// Observer is an observer of limiters, and a collector of their metrics. Make one with
// [New]. It is safe for concurrent use. It takes 0.1 µs and no allocation for each decision.
type Observer struct {
	limiters *perlimiter.Map[*limiter]
	duration *prometheus.HistogramVec
	batch    *prometheus.HistogramVec
}

var (
	_ prometheus.Collector      = (*Observer)(nil)
	_ ratelimit.Observer        = (*Observer)(nil)
	_ ratelimit.LimiterObserver = (*Observer)(nil)
	_ ratelimit.RunObserver     = (*Observer)(nil)
	_ ratelimit.BreakerObserver = (*Observer)(nil)
)

// limiter has the counts and histograms of one limiter.
type limiter struct {
	namespace, algorithm string
	since                time.Time
	counts               observe.Counts
	duration, batch      prometheus.Observer
}

// New returns an observer, which the caller must register. Its error names the option that
// is wrong.
func New(options ...Option) (*Observer, error) {
	c, err := newConfig(options)
	if err != nil {
		return nil, err
	}
	o := &Observer{
		duration: prometheus.NewHistogramVec(c.duration, limiterLabels),
		batch:    prometheus.NewHistogramVec(c.batch, limiterLabels),
	}
	o.limiters = perlimiter.New(o.newLimiter)
	return o, nil
}

func (o *Observer) newLimiter(namespace, algorithm string) *limiter {
	// The names of limiters are UTF-8. Any other name would make a scrape fail.
	namespace, algorithm = strings.ToValidUTF8(namespace, "\uFFFD"), strings.ToValidUTF8(algorithm, "\uFFFD")
	return &limiter{
		namespace: namespace,
		algorithm: algorithm,
		since:     time.Now(),
		duration:  o.duration.WithLabelValues(namespace, algorithm),
		batch:     o.batch.WithLabelValues(namespace, algorithm),
	}
}

// ObserveLimiter implements [ratelimit.LimiterObserver].
func (o *Observer) ObserveLimiter(e ratelimit.LimiterEvent) { o.limiters.Of(e.Namespace, e.Algorithm) }

// Observe implements [ratelimit.Observer].
func (o *Observer) Observe(ctx context.Context, e ratelimit.Event) {
	l := o.limiters.Of(e.Namespace, e.Algorithm)
	l.counts.Observe(ctx, e)
	if e.Decided() {
		l.duration.Observe(e.Elapsed.Seconds())
	}
}

// ObserveRun implements [ratelimit.RunObserver].
func (o *Observer) ObserveRun(e ratelimit.RunEvent) {
	o.limiters.Of(e.Namespace, e.Algorithm).batch.Observe(float64(e.Decisions))
}

// ObserveBreaker implements [ratelimit.BreakerObserver].
func (o *Observer) ObserveBreaker(e ratelimit.BreakerEvent) {
	o.limiters.Of(e.Namespace, e.Algorithm).counts.ObserveBreaker(e)
}
