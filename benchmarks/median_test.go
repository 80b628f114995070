package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMedian(t *testing.T) {
	require.Zero(t, median(nil))
	require.Equal(t, 5.0, median([]float64{5}))
	require.Equal(t, 3.0, median([]float64{9, 1, 3}))
	require.Equal(t, 2.5, median([]float64{9, 1, 3, 2}))
	values := []float64{2, 1}
	median(values)
	require.Equal(t, []float64{2, 1}, values, "which stay in their order")
}

func TestFigures(t *testing.T) {
	o := &outcome{samples: []sample{
		{perSecond: 100, p99: 3 * time.Millisecond, redisCPU: 5, failed: 1, decisions: 10},
		{perSecond: 300, p99: time.Millisecond, redisCPU: 4, wrong: 2, decisions: 10},
		{perSecond: 200, p99: 2 * time.Millisecond, redisCPU: 9, decisions: 10},
	}}
	f := o.figures()
	require.Equal(t, 200.0, f.perSecond)
	require.Equal(t, 2*time.Millisecond, f.p99)
	require.Equal(t, 5.0, f.redisCPU)
	require.Equal(t, []int64{30, 1, 2}, []int64{f.decisions, f.failed, f.wrong}, "sums")
}

// TestRatio checks that a ratio is the median of the ratios of the rounds, and not the
// ratio of the medians.
func TestRatio(t *testing.T) {
	a := &outcome{samples: []sample{{perSecond: 10}, {perSecond: 20}, {perSecond: 90}}}
	b := &outcome{samples: []sample{{perSecond: 10}, {perSecond: 5}, {perSecond: 30}}}
	ratio, known := a.ratioTo(b)
	require.True(t, known)
	require.Equal(t, 3.0, ratio) // the median of 1, 4 and 3; the ratio of the medians is 2
	_, known = a.ratioTo(nil)
	require.False(t, known)
	_, known = a.ratioTo(&outcome{samples: []sample{{}, {}, {}}})
	require.False(t, known, "nothing is a multiple of 0")
}

// TestSample checks that a contestant that errs looks neither fast nor cheap.
func TestSample(t *testing.T) {
	c := &contestant{kind: rival, client: "go-redis"}
	tally := &tally{decisions: 100, allowed: 60, failed: 20, elapsed: time.Second,
		client: processUsage{cpu: time.Millisecond, mallocs: 600}, redis: redisUsage{cpu: 600 * time.Microsecond, bytes: 1200}}
	s := newSample(tally, hotAllowed, c, 10)
	require.Equal(t, int64(20), s.wrong, "neither allowed nor failed")
	require.Equal(t, []float64{60, 10, 10, 20}, []float64{s.perSecond, s.redisCPU, s.allocs, s.bytes})
	require.InEpsilon(t, 1000.0/60, s.clientCPU, 1e-9)

	c.client = ""
	s = newSample(tally, hotAllowed, c, 10)
	require.Zero(t, s.redisCPU)

	tally.failed, tally.allowed = 100, 0
	s = newSample(tally, hotAllowed, c, 10)
	require.Zero(t, s.perSecond)
	require.Zero(t, s.clientCPU, "and no division by 0")
}
