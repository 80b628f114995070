package httplimit_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

// The values of the fields share memory. A handler that adds a line to one of them must
// not change another.
func TestHandlerAddsToFields(t *testing.T) {
	w := do(wrap(t, perMinute(t, startRedis(t), "a", 2), alice, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("RateLimit-Policy", `"other";q=7`)
		w.Header().Add("RateLimit", `"other";r=3`)
	})))
	require.Equal(t, []string{`"default";q=2;w=60`, `"other";q=7`}, w.Header().Values("RateLimit-Policy"))
	require.Equal(t, []string{`"default";r=1;t=30`, `"other";r=3`}, w.Header().Values("RateLimit"))
}

// A Guard that is used through SetHeader and Refuse answers as the middleware does.
func TestGuardAnswersAsMiddleware(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		for _, accept := range []string{"", "text/html", "application/json"} {
			limits := httplimit.Policy{Name: "default", Limiter: perMinute(t, startRedis(t), "a", 1)}
			guard, err := httplimit.NewGuard([]httplimit.Policy{limits})
			require.NoError(t, err)
			byGuard := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				d := guard.Decide(r.Context(), ratelimit.Part{Identity: "alice", N: 1})
				guard.SetHeader(w.Header(), d)
				if d.Outcome == httplimit.Allowed {
					ok(w, r)
					return
				}
				guard.Refuse(w, r, d)
			})
			byMiddleware := wrap(t, perMinute(t, startRedis(t), "a", 1), alice, ok)
			for _, status := range []int{http.StatusOK, http.StatusTooManyRequests} {
				var answers [2]*httptest.ResponseRecorder
				for i, h := range []http.Handler{byGuard, byMiddleware} {
					answers[i] = do(h, with("Accept", accept), func(r *http.Request) { r.Method = method })
				}
				require.Equal(t, status, answers[0].Code)
				require.Equal(t, status, answers[1].Code)
				require.NotEmpty(t, answers[0].Header()["Ratelimit"])
				require.Equal(t, answers[1].Header(), answers[0].Header())
				require.Equal(t, answers[1].Body.String(), answers[0].Body.String())
			}
		}
	}
}
