package main

import (
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the golden report")

// testReport returns a report of made-up figures.
func testReport(t *testing.T) *report {
	all := []*contestant{ratelimitGoRedis(), ratelimitRueidis(), redisRate(), throttledGCRA(), goLimiter(), floorPipeline(), floorRueidis()}
	samples := func(perSecond float64, p99 time.Duration, redisCPU float64) []sample {
		return []sample{
			{perSecond: perSecond, p50: p99 / 3, p99: p99, redisCPU: redisCPU, clientCPU: 2 * redisCPU, allocs: 3, bytes: 123.4, decisions: 1000},
			{perSecond: perSecond * 1.1, p50: p99 / 3, p99: p99, redisCPU: redisCPU, clientCPU: 2 * redisCPU, allocs: 3, bytes: 123.4, decisions: 1000},
		}
	}
	outcomes := []*outcome{
		{all[0], samples(100_000, 4*time.Millisecond, 8)},
		{all[1], samples(90_000, 6*time.Millisecond, 7.5)},
		{all[2], samples(20_000, 5*time.Millisecond, 30)},
		{all[3], samples(41.7, 470*time.Millisecond, 8200)},
		{all[4], samples(4_000_000, 230*time.Nanosecond, 0)},
		{all[5], nil}, // not measured
		{all[6], samples(80_000, 9*time.Millisecond, 4)},
	}
	outcomes[3].samples[1].failed, outcomes[3].samples[1].err = 498, errors.New("no luck | after 10 attempts")
	return &report{
		settings: &settings{contestants: all, rounds: 2, time: 2 * time.Second, keys: 100_000},
		setting: setting{date: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), cpu: "Abacus", cores: 2, started: true, os: "linux/amd64", goVer: "1.26",
			redis: "7.0", modules: []module{{modulePath, "this source"}}},
		results: []*result{{workloads()[2], outcomes, []time.Duration{250, 62}}},
		growths: []*growth{{of: "identities", intro: "Made up.", memory: true, points: []*point{
			{size: 1000, memory: 200, read: 9, samples: samples(100_000, time.Millisecond, 8)},
			{size: 5_000_000, memory: 190, read: 210, samples: samples(80_000, time.Millisecond, 10)},
		}}},
	}
}

func TestReport(t *testing.T) {
	r := testReport(t)
	charts, err := drawCharts(t.TempDir()+"/charts", r)
	require.NoError(t, err)
	r.charts = charts
	var b strings.Builder
	require.NoError(t, r.write(&b))
	const golden = "testdata/report.md"
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), b.String(), "go test ./benchmarks -run TestReport -update rewrites it")
}

// TestLatencies checks that our latencies are compared with those of the floors on the
// same client, turn by turn.
func TestLatencies(t *testing.T) {
	of := func(c *contestant, p50 ...time.Duration) *outcome {
		o := &outcome{contestant: c}
		for _, d := range p50 {
			o.samples = append(o.samples, sample{p50: d})
		}
		return o
	}
	var b strings.Builder
	writeLatencies(&b, &result{workload: workloads()[0], outcomes: []*outcome{
		of(ratelimitGoRedis(), 60, 300, 120), of(floorGoRedis(), 40, 100, 100), of(leastGoRedis(), 60, 200, 100),
		of(ratelimitRueidis(), 100), of(floorRueidis(), 80),
	}})
	require.Equal(t, `| median latency | × empty script | × least script |
| --- | ---: | ---: |
| ratelimit on go-redis | 1.50× | 1.20× |
| ratelimit on rueidis | 1.25× | – |

`, b.String())
	b.Reset()
	writeLatencies(&b, &result{workload: workloads()[0], outcomes: []*outcome{of(redisRate(), 60)}})
	require.Empty(t, b.String())
}

// TestWins checks that each figure in which another contestant is better is found, and no
// other.
func TestWins(t *testing.T) {
	found := make(map[string][]string)
	for _, w := range wins(testReport(t).results) {
		found[w.contestant.name] = w.figures
	}
	require.Equal(t, map[string][]string{
		"redis_rate":           {"", "5.00 ms (ours: 6.00 ms on rueidis)", ""},
		"go-limiter in memory": {"4,200,000 (ours: 105,000 on go-redis, 94,500 on rueidis)", "230 ns (ours: 4.00 ms on go-redis, 6.00 ms on rueidis)", ""},
		nameFloorRueidis:       {"", "", "4.00 µs (ours: 8.00 µs on go-redis, 7.50 µs on rueidis)"},
	}, found)
}

func TestNumbers(t *testing.T) {
	for x, want := range map[float64]string{0: "0", 1.234: "1.23", 9.996: "10.0", 12.34: "12.3", 99.96: "100", 123.4: "123", 1234567: "1,234,567"} {
		require.Equal(t, want, round3(x))
	}
	for n, want := range map[int64]string{7: "7", 999: "999", 1000: "1,000", 5_000_000: "5,000,000", -1234: "-1,234", -123: "-123"} {
		require.Equal(t, want, count(n))
	}
	for d, want := range map[time.Duration]string{7: "7 ns", 1500: "1.50 µs", 12_345_678: "12.3 ms", 2 * time.Second: "2.00 s"} {
		require.Equal(t, want, latency(d))
	}
}
