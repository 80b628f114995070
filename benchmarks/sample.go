package main

import "time"

// sample is one measurement, in figures for one decision. Costs are divided by the number
// of right decisions, so that a contestant that errs does not look cheap.
type sample struct {
	perSecond float64 // right decisions
	p50, p99  time.Duration
	redisCPU  float64 // µs
	clientCPU float64 // µs
	allocs    float64
	bytes     float64 // on the wire, both ways

	decisions     int64 // all, right or not
	failed, wrong int64
	err           error // a failure's, or nil
}

func newSample(t *tally, s *scene, c *contestant, keys int) sample {
	m := sample{
		p50: t.latency.quantile(0.50), p99: t.latency.quantile(0.99),
		decisions: t.decisions, failed: t.failed, err: t.err,
	}
	if c.decides() {
		m.wrong = s.wrong(t.decisions-t.failed, t.allowed, t.elapsed, keys)
	}
	right := float64(t.decisions - t.failed - m.wrong)
	m.perSecond = per(right, t.elapsed.Seconds())
	m.redisCPU = per(micros(t.redis.cpu), right)
	m.clientCPU = per(micros(t.client.cpu), right)
	m.allocs = per(float64(t.client.mallocs), right)
	m.bytes = per(float64(t.redis.bytes), right)
	if c.client == "" { // what Redis did meanwhile was not for this contestant
		m.redisCPU, m.bytes = 0, 0
	}
	return m
}

// per returns a/b, or 0 if b is not positive.
func per(a, b float64) float64 {
	if b <= 0 {
		return 0
	}
	return a / b
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
