package httplimit_test

import (
	"math/big"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/dunglas/httpsfv"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

// drawn is a random limit, what the store says of a request under it, and what the limiter
// says its quota is.
type drawn struct {
	name   string
	limit  tokenbucket.Limit
	quota  int64
	window time.Duration
	says   *says
}

func draw(t *rapid.T, now time.Time) *drawn {
	micros := rapid.OneOf(rapid.Int64Range(0, 3_000_000), rapid.Int64Range(0, 1<<53), rapid.Map(rapid.Int64Range(0, 1000),
		func(n int64) int64 { return n * 1_000_000 }))
	d := &drawn{
		name: rapid.StringMatching(`[ -~]{1,12}`).Draw(t, "name"),
		limit: tokenbucket.Limit{
			Rate:   rapid.Int64Range(1, 1000).Draw(t, "rate"),
			Period: rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, 1500 * time.Millisecond, time.Hour}).Draw(t, "period"),
		},
	}
	d.says = &says{now: now, remaining: rapid.Int64Range(0, d.limit.Rate).Draw(t, "remaining"),
		reset: time.Duration(micros.Draw(t, "reset")) * time.Microsecond}
	switch rapid.IntRange(0, 3).Draw(t, "denied") {
	case 0:
		d.says.retry = time.Duration(micros.Draw(t, "retry")) * time.Microsecond
	case 1:
		d.says.retry = algorithm.Never
	}
	return d
}

// wait returns the time that the parameter t must express.
func (d *drawn) wait() time.Duration {
	if d.says.retry > 0 && d.says.retry != algorithm.Never {
		return d.says.retry
	}
	return d.says.reset
}

// requireUp requires seconds to be d in seconds, rounded up.
func requireUp(t require.TestingT, d time.Duration, seconds int64) {
	exact := big.NewRat(int64(d), int64(time.Second))
	require.GreaterOrEqual(t, new(big.Rat).SetInt64(seconds).Cmp(exact), 0, "%v in %d s", d, seconds)
	require.Less(t, new(big.Rat).SetInt64(seconds-1).Cmp(exact), 0, "%v in %d s", d, seconds)
}

// TestFieldsOfAnyResult checks that, for random limits and results, the fields are as RFC
// 9651 and the draft require, with times rounded up so that nobody comes back too early.
func TestFieldsOfAnyResult(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.UnixMicro(rapid.Int64Range(0, 1<<52).Draw(t, "now"))
		all := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) *drawn { return draw(t, now) }), 1, 4,
			func(d *drawn) string { return d.name }).Draw(t, "limits")
		for i := range all[1:] {
			all[i].says.after = all[i+1].says
		}
		var policies []httplimit.Policy
		var parts []ratelimit.Part
		denied := time.Duration(0)
		for i, d := range all {
			limiter, err := ratelimit.New(all[0].says, d.limit, ratelimit.WithNamespace(strconv.Itoa(i)))
			require.NoError(t, err)
			d.quota, d.window = limiter.Quota()
			policies = append(policies, httplimit.Policy{Name: d.name, Limiter: limiter})
			parts = append(parts, ratelimit.Part{Identity: "x", N: 1})
			denied = max(denied, d.says.retry)
		}
		headers := httplimit.Headers(rapid.IntRange(0, 4).Draw(t, "headers"))
		guard, err := httplimit.NewGuard(policies, httplimit.WithHeaders(headers))
		require.NoError(t, err)
		decision := guard.Decide(t.Context(), parts...)
		h := http.Header{}
		guard.SetFields(decision, h.Get, h.Set)

		retryAfter := int64(0)
		if text := h.Get("Retry-After"); text != "" {
			retryAfter = number(t, text)
			requireUp(t, denied, retryAfter)
			require.Positive(t, retryAfter)
		}
		require.Equal(t, denied > 0 && denied != algorithm.Never, retryAfter > 0)
		switch headers {
		case httplimit.HeadersIETF:
			requireList(t, h, all, retryAfter)
		case httplimit.HeadersTriple:
			requireOlder(t, h, "RateLimit-", all, decision, false)
		case httplimit.HeadersX:
			requireOlder(t, h, "X-RateLimit-", all, decision, true)
		case httplimit.HeadersXDelta:
			requireOlder(t, h, "X-RateLimit-", all, decision, false)
		}
		other := 0
		for name := range h {
			if name != "Retry-After" && name != "Cache-Control" {
				other++
			}
		}
		require.Equal(t, []int{2, 3, 3, 3, 0}[headers], other)
	})
}

func number(t require.TestingT, text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	require.NoError(t, err)
	return n
}

func requireList(t *rapid.T, h http.Header, all []*drawn, retryAfter int64) {
	policy, err := httpsfv.UnmarshalList(h.Values("RateLimit-Policy"))
	require.NoError(t, err)
	list, err := httpsfv.UnmarshalList(h.Values("RateLimit"))
	require.NoError(t, err)
	require.Len(t, policy, len(all))
	require.Len(t, list, len(all))
	for i, d := range all {
		item := policy[i].(httpsfv.Item)
		require.Equal(t, d.name, item.Value)
		q, _ := item.Params.Get("q")
		require.Equal(t, d.quota, q)
		w, found := item.Params.Get("w")
		require.Equal(t, d.window > 0 && d.window%time.Second == 0, found, d.window)
		if found {
			require.Equal(t, int64(d.window/time.Second), w)
		}

		item = list[i].(httpsfv.Item)
		require.Equal(t, d.name, item.Value)
		r, _ := item.Params.Get("r")
		require.Equal(t, d.says.remaining, r)
		until, found := item.Params.Get("t")
		switch {
		case found:
			requireUp(t, d.wait(), until.(int64))
			require.Positive(t, until)
			require.True(t, retryAfter == 0 || until.(int64) <= retryAfter)
		case d.wait() > 0:
			require.Positive(t, retryAfter)
			require.Greater(t, d.wait(), time.Duration(retryAfter)*time.Second)
		}
	}
}

func requireOlder(t *rapid.T, h http.Header, prefix string, all []*drawn, decision httplimit.Decision, epoch bool) {
	var shown *drawn
	for _, d := range all {
		if d.name == decision.Name {
			shown = d
		}
	}
	require.NotNil(t, shown)
	require.Equal(t, shown.quota, number(t, h.Get(prefix+"Limit")))
	require.Equal(t, shown.says.remaining, number(t, h.Get(prefix+"Remaining")))
	reset := number(t, h.Get(prefix+"Reset"))
	if !epoch {
		requireUp(t, shown.wait(), reset)
		return
	}
	at := time.Unix(reset, 0)
	end := shown.says.now.Add(shown.wait())
	require.False(t, at.Before(end))
	require.Less(t, at.Sub(end), time.Second)
}

// TestNestedListsOfAnyNames checks that the lists of an outer and an inner middleware
// become one list in which no name occurs twice, even if names contain what delimits them.
func TestNestedListsOfAnyNames(t *testing.T) {
	limit := tokenbucket.Limit{Rate: 9, Period: time.Second}
	rapid.Check(t, func(t *rapid.T) {
		h := http.Header{}
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`["\\, ;=a]{1,4}`), 2, 2, rapid.ID)
		var all [2][]string
		for i := range all {
			all[i] = names.Draw(t, "names")
			var policies []httplimit.Policy
			var parts []ratelimit.Part
			store := &says{now: time.Unix(1_800_000_000, 0), remaining: 1, after: &says{remaining: 2}}
			for k, name := range all[i] {
				limiter, err := ratelimit.New(store, limit, ratelimit.WithNamespace(strconv.Itoa(k)))
				require.NoError(t, err)
				policies = append(policies, httplimit.Policy{Name: name, Limiter: limiter})
				parts = append(parts, ratelimit.Part{Identity: "x", N: 1})
			}
			guard, err := httplimit.NewGuard(policies)
			require.NoError(t, err)
			guard.SetFields(guard.Decide(t.Context(), parts...), h.Get, h.Set)
		}
		want := append(slices.DeleteFunc(slices.Clone(all[0]), func(name string) bool { return slices.Contains(all[1], name) }), all[1]...)
		for _, field := range []string{"RateLimit-Policy", "RateLimit"} {
			list, err := httpsfv.UnmarshalList(h.Values(field))
			require.NoError(t, err)
			var got []string
			for _, member := range list {
				got = append(got, member.(httpsfv.Item).Value.(string))
			}
			require.Equal(t, want, got)
		}
	})
}
