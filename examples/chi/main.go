// Chi is a server on chi with two limits: one on each client's address and, inside it, a
// smaller one on each team's reports. It needs nothing but Go:
//
//	go run ./examples/chi
//
// It uses an embedded Redis, or yours with -redis. Package httplimit needs no adapter for
// chi.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/examples/internal/serve"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

var program = serve.Program{
	Name: "chi",
	Try:  "Two reports an hour for a team. One too many:\n  curl -i '%s/teams/red/reports?[1-3]'",
	Serve: func(ctx context.Context, redis store.Store, listener net.Listener) error {
		router, err := newRouter(redis)
		if err != nil {
			return err
		}
		return serve.HTTP(ctx, listener, router)
	},
}

func main() { program.Main() }

func newRouter(redis store.Store) (http.Handler, error) {
	address, err := limit(redis, "address", tokenbucket.Limit{Rate: 20, Period: time.Hour}, httplimit.Peer)
	if err != nil {
		return nil, err
	}
	reports, err := limit(redis, "reports", tokenbucket.Limit{Rate: 2, Period: time.Hour}, team)
	if err != nil {
		return nil, err
	}
	router := chi.NewRouter()
	router.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	router.Group(func(router chi.Router) {
		router.Use(address)
		router.Get("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "Hello.") })
		router.With(reports).Get("/teams/{team}/reports", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "A report for team %s.\n", chi.URLParam(r, "team"))
		})
	})
	return router, nil
}

// limit returns a middleware with one limit. The name is also in the limiter's namespace,
// so its keys differ from those of other limits.
func limit(redis store.Store, name string, l tokenbucket.Limit, identity httplimit.Identity) (func(http.Handler) http.Handler, error) {
	limiter, err := ratelimit.New(redis, l, ratelimit.WithNamespace("chi-"+name))
	if err != nil {
		return nil, err
	}
	return httplimit.NewAll([]httplimit.Limit{{Name: name, Limiter: limiter, Identity: identity}})
}

// team is known once chi has found the route. That is so for middlewares of a group and of
// With, but not for those that the router itself is given with Use.
func team(r *http.Request) string { return chi.URLParam(r, "team") }
