package routetest

import (
	"io"
	"net/http"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

// request is a request to send, and the status of its expected answer.
type request struct {
	method string
	fields []string
	status int
}

// answers lists requests that are sent one after another to a server behind these groups.
var answers = []struct {
	name     string
	groups   func(t testing.TB) [][]httplimit.Limit
	requests []request
	called   int // how often the handler is called
}{
	{"AllowedThenDenied", one(func(t testing.TB) httplimit.Limit {
		return httplimit.Limit{Limiter: PerMinute(t, StartRedis(t), "a", 2), Identity: httplimit.Peer}
	}), []request{
		{"GET", nil, 200}, {"POST", nil, 200}, {"GET", nil, 429},
		{"GET", []string{"Accept", "text/html"}, 429},
		{"GET", []string{"Accept", "text/html;q=0.5", "Accept", "application/json"}, 429},
		{"HEAD", nil, 429}, {"OPTIONS", nil, 429},
	}, 2},
	{"Head", one(func(t testing.TB) httplimit.Limit {
		return httplimit.Limit{Limiter: PerMinute(t, StartRedis(t), "a", 1), Identity: httplimit.Peer}
	}), []request{{"HEAD", nil, 200}, {"HEAD", nil, 429}}, 1},
	{"Never", one(func(t testing.TB) httplimit.Limit {
		return httplimit.Limit{Limiter: PerMinute(t, StartRedis(t), "a", 2), Identity: httplimit.Peer,
			Cost: func(*http.Request) int64 { return 3 }}
	}), []request{{"GET", nil, 429}}, 0},
	{"Nobody", one(func(t testing.TB) httplimit.Limit {
		return httplimit.Limit{Limiter: PerMinute(t, StartRedis(t), "a", 2), Identity: who}
	}), []request{{"GET", nil, 400}, {"GET", []string{"Who", "alice"}, 200}, {"HEAD", nil, 400}, {"GET", []string{"Accept", "text/plain"}, 400}}, 1},
	{"Cost", one(func(t testing.TB) httplimit.Limit {
		return httplimit.Limit{Limiter: PerMinute(t, StartRedis(t), "a", 10), Identity: who,
			Cost: func(r *http.Request) int64 {
				n, _ := strconv.ParseInt(r.Header.Get("Cost"), 10, 64)
				return n
			}}
	}), []request{
		{"GET", nil, 200}, // costs nothing, so it needs no identity
		{"GET", []string{"Cost", "1"}, 400},
		{"GET", []string{"Who", "alice", "Cost", "-1"}, 400},
		{"GET", []string{"Who", "alice", "Cost", "7"}, 200},
		{"GET", []string{"Who", "alice", "Cost", "4"}, 429},
		{"GET", []string{"Who", "alice", "Cost", "3"}, 200},
	}, 3},
	{"Closed", one(func(t testing.TB) httplimit.Limit {
		return httplimit.Limit{Limiter: PerMinute(t, Away{}, "a", 2, ratelimit.WithFailureMode(ratelimit.FailClosed)), Identity: httplimit.Peer}
	}), []request{{"GET", nil, 503}, {"HEAD", nil, 503}}, 0},
	{"Open", one(func(t testing.TB) httplimit.Limit {
		return httplimit.Limit{Limiter: PerMinute(t, Away{}, "a", 2), Identity: httplimit.Peer}
	}), []request{{"GET", nil, 200}}, 1},
	{"Several", func(t testing.TB) [][]httplimit.Limit {
		redis := StartRedis(t)
		return [][]httplimit.Limit{{
			{Name: "all", Limiter: PerMinute(t, redis, "all", 3), Identity: func(*http.Request) string { return "all" }},
			{Name: "each", Limiter: PerMinute(t, redis, "each", 2), Identity: who},
		}}
	}, []request{
		{"GET", []string{"Who", "alice"}, 200}, {"GET", []string{"Who", "alice"}, 200},
		{"GET", []string{"Who", "alice"}, 429}, // and none charges it
		{"GET", []string{"Who", "bob"}, 200}, {"GET", []string{"Who", "bob"}, 429},
	}, 3},
	{"Nested", func(t testing.TB) [][]httplimit.Limit {
		redis := StartRedis(t)
		return [][]httplimit.Limit{
			{{Name: "all", Limiter: PerMinute(t, redis, "all", 3), Identity: httplimit.Peer}},
			{{Name: "api", Limiter: PerMinute(t, redis, "api", 9), Identity: httplimit.Peer}},
			{{Name: "search", Limiter: PerMinute(t, redis, "search", 2), Identity: httplimit.Peer}},
		}
	}, []request{{"GET", nil, 200}, {"GET", nil, 200}, {"GET", nil, 429}, {"GET", nil, 429}}, 2},
	// A client's own claims about its address are not believed.
	{"Spoofed", one(func(t testing.TB) httplimit.Limit {
		return httplimit.Limit{Limiter: PerMinute(t, StartRedis(t), "a", 1), Identity: httplimit.Peer}
	}), []request{
		{"GET", []string{"X-Forwarded-For", "203.0.113.1"}, 200},
		{"GET", []string{"X-Forwarded-For", "203.0.113.2"}, 429},
		{"GET", []string{"X-Forwarded-For", "203.0.113.3, 127.0.0.1"}, 429},
		{"GET", []string{"X-Real-Ip", "203.0.113.4"}, 429},
		{"GET", []string{"Forwarded", "for=203.0.113.5"}, 429},
		{"GET", []string{"True-Client-Ip", "203.0.113.6", "Cf-Connecting-Ip", "203.0.113.6"}, 429},
	}, 1},
}

// one returns a single limit, named "default".
func one(limit func(testing.TB) httplimit.Limit) func(testing.TB) [][]httplimit.Limit {
	return func(t testing.TB) [][]httplimit.Limit {
		l := limit(t)
		l.Name = "default"
		return [][]httplimit.Limit{{l}}
	}
}

func who(r *http.Request) string { return r.Header.Get("Who") }

// testAnswers compares a framework's answers with those of net/http.
func testAnswers(t *testing.T, framework Framework, http2 bool) {
	for _, test := range answers {
		t.Run(test.name, func(t *testing.T) {
			var called, calledThere int
			handler := func(count *int) http.HandlerFunc {
				return func(w http.ResponseWriter, _ *http.Request) {
					*count++
					_, _ = io.WriteString(w, "ok")
				}
			}
			tested := Serve(t, framework(t, handler(&called), test.groups(t)...), http2)
			reference := Serve(t, NetHTTP(t, handler(&calledThere), test.groups(t)...), http2)
			for i, r := range test.requests {
				got, body := Send(t, tested, r.method, "/", r.fields...)
				want, wanted := Send(t, reference, r.method, "/", r.fields...)
				require.Equal(t, r.status, want.StatusCode, "request %d", i)
				require.Equal(t, r.status, got.StatusCode, "request %d", i)
				require.Equal(t, wanted, body, "request %d", i)
				require.Equal(t, http2, got.ProtoMajor == 2)
				got.Header.Del("Date")
				want.Header.Del("Date")
				if r.status == http.StatusOK { // a framework may set the type on its own
					got.Header.Del("Content-Type")
					want.Header.Del("Content-Type")
				}
				require.Equal(t, want.Header, got.Header, "request %d", i)
				require.Equal(t, want.ContentLength, got.ContentLength, "request %d", i)
			}
			require.Equal(t, test.called, called)
			require.Equal(t, test.called, calledThere)
		})
	}
}
