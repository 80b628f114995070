package algorithm_test

import (
	"testing"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/algorithm/slidingwindow"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/conformance"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// TestConformance runs the suite with more extreme limits than stores are tested with:
// limits of all sizes, and limits at the edges of what Compile accepts.
func TestConformance(t *testing.T) {
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			s := server.open(t)
			h := conformance.Harness{Open: func(testing.TB) store.Store { return s }}
			conformance.TestAlgorithm(t, h,
				tokenbucket.Limit{Rate: 1, Period: time.Microsecond}, tokenbucket.Limit{Rate: 10, Period: time.Second},
				tokenbucket.Limit{Rate: 97, Period: time.Minute, Burst: 1000}, tokenbucket.Limit{Rate: 1e6, Period: time.Second},
				tokenbucket.Limit{Rate: 3_000_017, Period: time.Second, Burst: 5},
				tokenbucket.Limit{Rate: 1e6, Period: time.Second, Burst: 3e15},
				tokenbucket.Limit{Rate: 2_999_999_999_999_999, Period: 5_100_000_000_000_001 * time.Microsecond, Burst: 2},
				tokenbucket.Limit{Rate: 1, Period: 366 * day},
				slidingwindow.Limit{Rate: 1, Period: time.Microsecond}, slidingwindow.Limit{Rate: 10, Period: time.Second},
				slidingwindow.Limit{Rate: 100, Period: time.Minute}, slidingwindow.Limit{Rate: 1e6, Period: time.Hour},
				slidingwindow.Limit{Rate: 20_000, Period: 999_983 * time.Microsecond},
				slidingwindow.Limit{Rate: 94_906_265, Period: 366 * day},
				slidingwindow.Log{Rate: 1, Period: time.Microsecond}, slidingwindow.Log{Rate: 100, Period: time.Minute},
				slidingwindow.Log{Rate: 300, Period: time.Second}, slidingwindow.Log{Rate: 3, Period: 366 * day},
			)
		})
	}
}
