package httplimit_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/slidingwindow"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// minuteAndDay returns two limits on alice: 2 requests a minute, and perDay units a day,
// of which a request takes as many as its field Cost says, or 1.
func minuteAndDay(t testing.TB, s store.Store, perDay int64, options ...ratelimit.Option) []httplimit.Limit {
	day := slidingwindow.Limit{Rate: perDay, Period: 24 * time.Hour}
	cost := func(r *http.Request) int64 {
		n := int64(1)
		if text := r.Header.Get("Cost"); text != "" {
			require.NoError(t, json.Unmarshal([]byte(text), &n))
		}
		return n
	}
	return []httplimit.Limit{
		{Name: "minute", Limiter: perMinute(t, s, "m", 2, options...), Identity: alice},
		{Name: "day", Limiter: newLimiter(t, s, day, append(options, ratelimit.WithNamespace("d"))...), Identity: alice, Cost: cost},
	}
}

func TestSeveral(t *testing.T) {
	h := wrapAll(t, minuteAndDay(t, startRedis(t), 10), ok)
	w := do(h)
	require.Equal(t, `"minute";q=2;w=60, "day";q=10;w=86400`, w.Header().Get("RateLimit-Policy"))
	require.Contains(t, w.Header().Get("RateLimit"), `"minute";r=1;t=30, "day";r=9;t=`)

	w = do(h, with("Cost", "0")) // the day is shown, but not charged
	require.Contains(t, w.Header().Get("RateLimit"), `"minute";r=0;t=60, "day";r=9;t=`)

	w = do(h) // denied by the minute: the day is not charged
	require.Equal(t, http.StatusTooManyRequests, w.Code)
	require.Equal(t, "30", w.Header().Get("Retry-After"))
	require.Equal(t, `"minute";r=0;t=30, "day";r=9`, w.Header().Get("RateLimit"), "no t is after Retry-After")
	require.Contains(t, w.Body.String(), `"violated-policies":["minute"]`)

	w = do(h, with("Cost", "11")) // more than a day has: no wait helps
	require.Equal(t, http.StatusTooManyRequests, w.Code)
	require.Empty(t, w.Header().Get("Retry-After"))
	require.Contains(t, w.Body.String(), `"violated-policies":["minute","day"]`)
}

// A limit that is used up does not deny a request that costs nothing under it.
func TestSeveralLooks(t *testing.T) {
	h := wrapAll(t, minuteAndDay(t, startRedis(t), 2), ok)
	require.Equal(t, http.StatusOK, do(h, with("Cost", "2")).Code)
	w := do(h, with("Cost", "0"))
	require.Equal(t, http.StatusOK, w.Code)
	require.Contains(t, w.Header().Get("RateLimit"), `"day";r=0;t=`)
	w = do(h, with("Cost", "0"))
	require.Equal(t, http.StatusTooManyRequests, w.Code)
	require.Contains(t, w.Body.String(), `"violated-policies":["minute"]`)
}

func TestSeveralFree(t *testing.T) {
	limits := minuteAndDay(t, startRedis(t), 2)
	limits[0].Cost = limits[1].Cost
	h := wrapAll(t, limits, ok)
	w := do(h, with("Cost", "0"))
	require.Equal(t, http.StatusOK, w.Code)
	require.Empty(t, w.Header().Get("RateLimit"))
	require.Equal(t, http.StatusBadRequest, do(h, with("Cost", "-1")).Code)

	limits[1].Identity = func(*http.Request) string { return "" }
	require.Equal(t, http.StatusBadRequest, do(wrapAll(t, limits, never(t))).Code)
}

// The decision names the limit that matters most.
func TestSeveralDecision(t *testing.T) {
	redis := startRedis(t)
	guard := func(limits []httplimit.Limit) *httplimit.Guard {
		guard, err := httplimit.NewGuard([]httplimit.Policy{{Name: "minute", Limiter: limits[0].Limiter}, {Name: "day", Limiter: limits[1].Limiter}})
		require.NoError(t, err)
		return guard
	}
	g := guard(minuteAndDay(t, redis, 4))
	ask := func(minute, day int64) httplimit.Decision {
		return g.Decide(t.Context(), ratelimit.Part{Identity: "x", N: minute}, ratelimit.Part{Identity: "x", N: day})
	}
	names := func(d httplimit.Decision) (names []string) {
		for name, result := range d.Results() {
			names = append(names, name)
			if name == d.Name {
				require.Equal(t, d.Result, result)
			}
		}
		for range d.Results() {
			break
		}
		return names
	}
	d := ask(1, 1)
	require.Equal(t, "minute", d.Name, "1 remains of it, and 3 of the day")
	require.Equal(t, []string{"minute", "day"}, names(d))
	require.Equal(t, "day", ask(0, 2).Name, "1 remains of it; the minute is not charged")
	d = ask(1, 1)
	require.Equal(t, httplimit.Allowed, d.Outcome)
	require.Equal(t, "day", d.Name, "0 remain of both; this is whole again later")
	d = ask(1, 1)
	require.Equal(t, httplimit.Denied, d.Outcome)
	require.Equal(t, "day", d.Name)
	require.Equal(t, []string{"minute", "day"}, d.Violated)
	require.Equal(t, d.Result.RetryAfter, d.RetryAfter)
	require.Empty(t, names(ask(0, 0)))

	g.Decide(t.Context(), ratelimit.Part{Identity: "y", N: 2}, ratelimit.Part{Identity: "y", N: 1})
	d = g.Decide(t.Context(), ratelimit.Part{Identity: "y", N: 0}, ratelimit.Part{Identity: "y", N: 1})
	require.Equal(t, "day", d.Name, "nothing remains of the minute, but it is not charged")

	closed := guard(minuteAndDay(t, away, 4, ratelimit.WithFailureMode(ratelimit.FailClosed)))
	g = closed
	require.Equal(t, httplimit.Unavailable, ask(1, 1).Outcome)
	d = ask(1, 5)
	require.Equal(t, httplimit.Denied, d.Outcome)
	require.Equal(t, algorithm.Never, d.RetryAfter)
	require.Equal(t, []string{"day"}, d.Violated, "of the minute nothing is known")
}

// TestConcurrent checks that exactly as many concurrent requests are let through as both
// limits allow.
func TestConcurrent(t *testing.T) {
	limits := minuteAndDay(t, startRedis(t), 25)
	limits[0].Limiter = perMinute(t, startRedis(t), "m", 30)
	_, err := httplimit.NewAll(limits)
	require.ErrorContains(t, err, "do not have the same store")

	redis := startRedis(t)
	limits = minuteAndDay(t, redis, 25)
	limits[0].Limiter = perMinute(t, redis, "m2", 30)
	h := wrapAll(t, limits, ok)
	var allowed, denied atomic.Int64
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 10 {
				switch w := do(h); w.Code {
				case http.StatusOK:
					allowed.Add(1)
				case http.StatusTooManyRequests:
					denied.Add(1)
					if !strings.Contains(w.Body.String(), `["day"]`) {
						t.Error(w.Body)
					}
				}
			}
		})
	}
	group.Wait()
	require.EqualValues(t, 25, allowed.Load())
	require.EqualValues(t, 55, denied.Load())
}

// TestCostOfNothing checks that a request needs no identity under a limit of which it
// takes nothing: here, no API key.
func TestCostOfNothing(t *testing.T) {
	redis := startRedis(t)
	key, err := httplimit.Header("X-API-Key")
	require.NoError(t, err)
	h := wrapAll(t, []httplimit.Limit{
		{Name: "key", Limiter: perMinute(t, redis, "key", 1), Identity: key, Cost: func(r *http.Request) int64 {
			return int64(len(r.Header["X-Api-Key"]))
		}},
		{Name: "all", Limiter: perMinute(t, redis, "all", 3), Identity: alice},
	}, ok)
	withKey := func(r *http.Request) { r.Header.Set("X-API-Key", "k") }
	require.Equal(t, http.StatusOK, do(h).Code)
	require.Equal(t, http.StatusOK, do(h, withKey).Code)
	require.Equal(t, http.StatusTooManyRequests, do(h, withKey).Code)
	require.Equal(t, http.StatusOK, do(h).Code)
	w := do(h)
	require.Equal(t, http.StatusTooManyRequests, w.Code)
	require.Contains(t, w.Body.String(), `"violated-policies":["all"]`)
	require.Equal(t, http.StatusBadRequest, do(h, func(r *http.Request) { r.Header["X-Api-Key"] = []string{"a", "b"} }).Code)
}

// TestLooksAsNobody checks that a part of 0 units without an identity is shown a full
// limit, whatever identities others have, and that the caller's parts are not changed.
func TestLooksAsNobody(t *testing.T) {
	limits := minuteAndDay(t, startRedis(t), 10)
	g, err := httplimit.NewGuard([]httplimit.Policy{{Name: "minute", Limiter: limits[0].Limiter}, {Name: "day", Limiter: limits[1].Limiter}})
	require.NoError(t, err)
	user := ratelimit.Part{Identity: "nobody", N: 1} // a client that happens to have this name
	require.Equal(t, httplimit.Allowed, g.Decide(t.Context(), user, user).Outcome)

	parts := []ratelimit.Part{{}, {Identity: "x", N: 1}}
	d := g.Decide(t.Context(), parts...)
	require.Equal(t, httplimit.Allowed, d.Outcome)
	for name, result := range d.Results() {
		if name == "minute" {
			require.EqualValues(t, 2, result.Remaining, "of 2")
		}
	}
	require.Equal(t, []ratelimit.Part{{}, {Identity: "x", N: 1}}, parts)
}
