// Plans is a server whose clients have plans, each with a limit. It needs nothing but Go:
//
//	go run ./examples/plans
//
// The plans' limiters differ only by their limit. Because they have the same namespace and
// algorithm, they share the state of a client. So an upgrade takes effect with the next
// request, and what the client has taken before still counts. A downgrade does not give a
// fresh limit either.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/examples/internal/serve"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

var plans = map[string]tokenbucket.Limit{
	"free": {Rate: 3, Period: time.Hour},
	"pro":  {Rate: 50, Period: time.Hour},
}

var program = serve.Program{
	Name: "plans",
	Try: "Three requests an hour are free. One too many, an upgrade, and one more:\n" +
		"  U=%s; K='X-API-Key: alice'; curl -iH \"$K\" \"$U/?[1-4]\"; curl -XPUT -H \"$K\" $U/plan/pro; curl -iH \"$K\" $U/",
	Serve: func(ctx context.Context, redis store.Store, listener net.Listener) error {
		handler, err := newHandler(redis)
		if err != nil {
			return err
		}
		return serve.HTTP(ctx, listener, handler)
	},
}

func main() { program.Main() }

func newHandler(redis store.Store) (http.Handler, error) {
	accounts := newAccounts("alice", "bob")
	limited, err := byPlan(redis, accounts, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "Hello.")
	}))
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", limited)
	mux.HandleFunc("PUT /plan/{plan}", func(w http.ResponseWriter, r *http.Request) { // anybody may, in this example
		if _, ok := plans[r.PathValue("plan")]; !ok || !accounts.setPlan(r.Header.Get("X-API-Key"), r.PathValue("plan")) {
			http.Error(w, "no such plan or key", http.StatusNotFound)
		}
	})
	return mux, nil
}

// byPlan returns next behind the limits of the plans. A request falls under the limit of
// its API key's plan. Unknown keys have no limit, but are refused first.
func byPlan(redis store.Store, accounts *accounts, next http.Handler) (http.Handler, error) {
	key, err := httplimit.Header("X-API-Key")
	if err != nil {
		return nil, err
	}
	limited := map[string]http.Handler{}
	for name, plan := range plans {
		limiter, err := ratelimit.New(redis, plan, ratelimit.WithNamespace("plans"))
		if err != nil {
			return nil, err
		}
		limit, err := httplimit.NewAll([]httplimit.Limit{{Name: name, Limiter: limiter, Identity: key}})
		if err != nil {
			return nil, err
		}
		limited[name] = limit(next)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		plan, ok := accounts.plan(r.Header.Get("X-API-Key"))
		if !ok {
			http.Error(w, "unknown API key", http.StatusUnauthorized)
			return
		}
		limited[plan].ServeHTTP(w, r)
	}), nil
}
