// Manylimits is a server with several limits on one route. A request is let through only
// if all of them allow it; otherwise it is charged to none. It needs nothing but Go:
//
//	go run ./examples/manylimits
//
// It uses an embedded Redis, or yours with -redis.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/slidingwindow"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/examples/internal/serve"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

var program = serve.Program{
	Name: "manylimits",
	Try: "A key has 100 units a day. An export takes 40, all else 1. One too many:\n" +
		"  curl -i -H 'X-API-Key: alice' '%s/export?[1-3]'",
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
	key, err := httplimit.Header("X-API-Key") // a public server must check it first
	if err != nil {
		return nil, err
	}
	everybody := func(*http.Request) string { return "everybody" }
	var limits []httplimit.Limit
	for _, l := range []struct {
		name     string
		limit    algorithm.Algorithm
		identity httplimit.Identity
		cost     func(*http.Request) int64
	}{
		{"second", tokenbucket.Limit{Rate: 10, Period: time.Second}, key, nil},
		{"day", slidingwindow.Limit{Rate: 100, Period: 24 * time.Hour}, key, units},
		{"address", tokenbucket.Limit{Rate: 600, Period: time.Minute, Burst: 60}, httplimit.Peer, nil},
		{"all", tokenbucket.Limit{Rate: 5000, Period: time.Second}, everybody, units},
	} {
		// The hash tag in braces puts the keys of all limits on one node of a Cluster,
		// which can then decide them together.
		limiter, err := ratelimit.New(redis, l.limit, ratelimit.WithNamespace("{manylimits}"+l.name))
		if err != nil {
			return nil, err
		}
		limits = append(limits, httplimit.Limit{Name: l.name, Limiter: limiter, Identity: l.identity, Cost: l.cost})
	}
	limit, err := httplimit.NewAll(limits)
	if err != nil {
		return nil, err
	}
	return limit(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "That took %d.\n", units(r))
	})), nil
}

// units returns what a request costs.
func units(r *http.Request) int64 {
	if r.URL.Path == "/export" {
		return 40
	}
	return 1
}
