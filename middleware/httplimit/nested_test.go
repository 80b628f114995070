package httplimit_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

// named returns a single limit, whose store decides every request as s says.
func named(t testing.TB, name string, s *says) []httplimit.Limit {
	limiter := newLimiter(t, s, tokenbucket.Limit{Rate: 100, Period: time.Minute})
	return []httplimit.Limit{{Name: name, Limiter: limiter, Identity: alice}}
}

func TestNested(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	much := &says{now: now, remaining: 50, reset: 30 * time.Second}
	little := &says{now: now, remaining: 5, reset: 57 * time.Second}
	denies := &says{now: now, retry: 1500 * time.Millisecond, remaining: 20, reset: 48 * time.Second}
	for _, test := range []struct {
		name         string
		headers      httplimit.Headers
		outer, inner *says
		innerName    string
		want         http.Header
	}{
		{"List", httplimit.HeadersIETF, much, little, "inner", http.Header{
			"Ratelimit-Policy": {`"outer";q=100;w=60, "inner";q=100;w=60`},
			"Ratelimit":        {`"outer";r=50;t=30, "inner";r=5;t=57`}}},
		{"SameName", httplimit.HeadersIETF, much, little, "outer", http.Header{
			"Ratelimit-Policy": {`"outer";q=100;w=60`},
			"Ratelimit":        {`"outer";r=5;t=57`}}},
		{"Denied", httplimit.HeadersIETF, much, denies, "inner", http.Header{
			"Ratelimit-Policy": {`"outer";q=100;w=60, "inner";q=100;w=60`},
			"Ratelimit":        {`"outer";r=50, "inner";r=20;t=2`}, // the outer t is later than Retry-After
			"Retry-After":      {"2"}}},
		{"InnerIsAway", httplimit.HeadersIETF, much, away, "inner", http.Header{
			"Ratelimit-Policy": {`"outer";q=100;w=60`},
			"Ratelimit":        {`"outer";r=50;t=30`}}},
		{"OuterIsAway", httplimit.HeadersIETF, away, much, "inner", http.Header{
			"Ratelimit-Policy": {`"inner";q=100;w=60`},
			"Ratelimit":        {`"inner";r=50;t=30`}}},
		{"InnerIsTighter", httplimit.HeadersTriple, much, little, "inner", http.Header{
			"Ratelimit-Limit": {"100"}, "Ratelimit-Remaining": {"5"}, "Ratelimit-Reset": {"57"}}},
		{"OuterIsTighter", httplimit.HeadersTriple, little, much, "inner", http.Header{
			"Ratelimit-Limit": {"100"}, "Ratelimit-Remaining": {"5"}, "Ratelimit-Reset": {"57"}}},
		{"InnerDenies", httplimit.HeadersXDelta, little, denies, "inner", http.Header{
			"X-Ratelimit-Limit": {"100"}, "X-Ratelimit-Remaining": {"20"}, "X-Ratelimit-Reset": {"2"}, "Retry-After": {"2"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			inner := wrapAll(t, named(t, test.innerName, test.inner), ok, httplimit.WithHeaders(test.headers))
			got := do(wrapAll(t, named(t, "outer", test.outer), inner, httplimit.WithHeaders(test.headers))).Header()
			for _, name := range []string{"Content-Type", "Content-Length", "X-Content-Type-Options", "Cache-Control"} {
				got.Del(name)
			}
			require.Equal(t, test.want, got)
		})
	}
}

// Fields of the same names that another handler has set are merged with ours.
func TestFieldsOfOthers(t *testing.T) {
	s := &says{now: time.Unix(1_800_000_000, 0), retry: 9 * time.Second, remaining: 7}
	for _, test := range []struct{ name, before, want string }{
		{"Retry-After", "8", "9"},
		{"Retry-After", "10", "10"},
		{"Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT", "9"},
		{"Retry-After", "-1", "9"},
		{"Retry-After", "99999999999999999999", "9"},
		{"RateLimit", `"a, \"default\";x";r=1, "default";r=9;t=1 , "b";r="\"default"`, `"a, \"default\";x";r=1, "b";r="\"default", "default";r=7;t=9`},
		{"RateLimit", `"default"`, `"default";r=7;t=9`},
		{"RateLimit", `"open, "default";r=1`, `"open, "default";r=1, "default";r=7;t=9`},
		{"RateLimit", ` , ,`, `"default";r=7;t=9`},
		{"RateLimit", `"a";t=9;r=1, "b";t=10;r=1, "c";r=1 ; t=99;pk=:eA==:;x=";t=99", "d";t, "e";t=x`, `"a";t=9;r=1, "b";r=1, "c";r=1 ;pk=:eA==:;x=";t=99", "d";t, "e";t=x, "default";r=7;t=9`},
		{"RateLimit-Policy", `"a";q=1;w=99`, `"a";q=1;w=99, "default";q=100;w=60`},
	} {
		h := wrapAll(t, named(t, "default", s), ok)
		w := do(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(test.name, test.before)
			h.ServeHTTP(w, r)
		}))
		require.Equal(t, test.want, w.Header().Get(test.name), test.before)
	}
}

// A Guard copes with a Decision that no Guard made, or that another Guard made.
func TestStrangeDecisions(t *testing.T) {
	guard := func(limits []httplimit.Limit) *httplimit.Guard {
		var policies []httplimit.Policy
		for _, l := range limits {
			policies = append(policies, httplimit.Policy{Name: l.Name, Limiter: l.Limiter})
		}
		guard, err := httplimit.NewGuard(policies)
		require.NoError(t, err)
		return guard
	}
	one, two := guard(named(t, "default", away)), guard(minuteAndDay(t, startRedis(t), 1))
	part := ratelimit.Part{Identity: "x", N: 1}
	two.Decide(t.Context(), part, part)
	for _, d := range []httplimit.Decision{{}, {Name: "x", Violated: []string{"y"}}, {Outcome: 77}, two.Decide(t.Context(), part, part)} {
		h := http.Header{}
		one.SetFields(d, h.Get, h.Set)
		require.Equal(t, d.Outcome.Status(), one.Reply(d, "").Status)
		for range d.Results() {
		}
	}
}

// SetFields sets the same fields by functions as the middleware sets on an http.Header.
func TestSetFields(t *testing.T) {
	s := &says{now: time.Unix(1_800_000_000, 0), remaining: 7, reset: time.Second}
	for headers := httplimit.HeadersIETF; headers <= httplimit.HeadersNone; headers++ {
		for _, before := range []string{"", "5", "9"} {
			limits := named(t, "default", s)
			guard, err := httplimit.NewGuard([]httplimit.Policy{{Name: "default", Limiter: limits[0].Limiter}}, httplimit.WithHeaders(headers))
			require.NoError(t, err)
			seed := func() http.Header {
				h := http.Header{}
				if before != "" {
					h.Set("RateLimit-Remaining", before)
					h.Set("X-RateLimit-Remaining", before)
					h.Set("RateLimit", `"outer";r=5`)
				}
				return h
			}
			h := seed()
			get := func(name string) string {
				require.Equal(t, http.CanonicalHeaderKey(name), name)
				require.NotEmpty(t, name)
				return h.Get(name)
			}
			guard.SetFields(guard.Decide(t.Context(), ratelimit.Part{Identity: "x", N: 1}), get, h.Set)
			w := do(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				for name, values := range seed() {
					w.Header()[name] = values
				}
				wrapAll(t, limits, nothing, httplimit.WithHeaders(headers)).ServeHTTP(w, r)
			}))
			require.Equal(t, w.Header(), h)
		}
	}
}
