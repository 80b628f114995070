package main

import (
	"net/http"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

// limited returns next behind the limiter. A client is who owns the API key, or
// else the peer; no key passes for an address. A server that faces the world checks
// the key first: whoever makes one up is a new client.
func limited(limiter *ratelimit.Limiter, next http.Handler) (http.Handler, error) {
	key, err := httplimit.Header("X-API-Key")
	if err != nil {
		return nil, err
	}
	limit, err := httplimit.New(limiter, httplimit.First(key, httplimit.Peer))
	if err != nil {
		return nil, err
	}
	return limit(next), nil
}
