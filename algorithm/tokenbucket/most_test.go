package tokenbucket_test

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
)

// TestMostBurst: the error for a Burst that is too large names the greatest Burst that is
// accepted.
func TestMostBurst(t *testing.T) {
	named := regexp.MustCompile(`too large to be exact at a Rate of .* must be at most ([0-9]+)$`)
	for _, c := range []struct {
		limit tokenbucket.Limit
		want  int64
	}{
		{tokenbucket.Limit{Rate: 1, Period: time.Microsecond}, 1<<52 - 1},
		{tokenbucket.Limit{Rate: 2, Period: time.Microsecond}, 1<<52 - 1},
		{tokenbucket.Limit{Rate: 3, Period: time.Microsecond}, (1<<53)/3 - 1},
		{tokenbucket.Limit{Rate: 1, Period: time.Hour}, (1<<52 - 1) / 3_600_000_000},
		{tokenbucket.Limit{Rate: 999_983, Period: time.Second}, (1<<53)/999_983 - 1},
		{tokenbucket.Limit{Rate: 100_000_007, Period: time.Second}, (1<<53)/100_000_007 - 1},
		{tokenbucket.Limit{Rate: 7, Period: 365 * 24 * time.Hour}, (7<<52 - 1) / (365 * 86_400_000_000)},
		{tokenbucket.Limit{Rate: 1 << 51, Period: time.Microsecond}, 3},
		{tokenbucket.Limit{Rate: 1<<52 - 1, Period: time.Microsecond}, 1},
		{tokenbucket.Limit{Rate: 1 << 52, Period: time.Microsecond}, 1},
		{tokenbucket.Limit{Rate: math.MaxInt64 / 1000, Period: math.MaxInt64 / 1000 * 1000}, 1<<52 - 1},
	} {
		t.Run(fmt.Sprintf("%d per %v", c.limit.Rate, c.limit.Period), func(t *testing.T) {
			c.limit.Burst = math.MaxInt64
			_, err := c.limit.Compile()
			require.Error(t, err)
			part := named.FindStringSubmatch(err.Error())
			require.NotNil(t, part, err)
			most, err := strconv.ParseInt(part[1], 10, 64)
			require.NoError(t, err)
			require.Equal(t, c.want, most)

			c.limit.Burst = most
			_, err = c.limit.Compile()
			require.NoError(t, err, "the greatest")
			c.limit.Burst++
			_, err = c.limit.Compile()
			require.Error(t, err, "one more")
		})
	}
}

// TestTooLarge: the error says whether the Rate or the Burst is too large, and names a greatest
// Burst only if the Rate accepts any.
func TestTooLarge(t *testing.T) {
	for want, limit := range map[string]tokenbucket.Limit{
		"tokenbucket: Rate is 100000007: too large to be exact at a Rate of 100000007 per 1s, where Burst (or Rate, if Burst is 0) must be at most 90071985":                          {Rate: 100_000_007, Period: time.Second},
		"tokenbucket: Rate is 4503599627370497: too large to be exact, whatever the Burst: in lowest terms it is 4503599627370497 per 1 µs, where at most 2^52 are exact":             {Rate: 1<<52 + 1, Period: time.Microsecond, Burst: 1},
		"tokenbucket: Rate is 9223372036854775807: too large to be exact, whatever the Burst: in lowest terms it is 9223372036854775807 per 1000000 µs, where at most 2^52 are exact": {Rate: math.MaxInt64, Period: time.Second},
		"tokenbucket: Burst is 9223372036854775807: 9223372036854775807 units at a Rate of 1 per 2562047h47m16.854775s take more than 142 years to come back":                         {Rate: 1, Period: math.MaxInt64 / 1000 * 1000, Burst: math.MaxInt64},
	} {
		_, err := limit.Compile()
		require.EqualError(t, err, want)
	}
}
