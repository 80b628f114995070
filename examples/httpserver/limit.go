package main

import (
	"net/http"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

// limited returns next behind the limiter. A client is the owner of an API key, or else
// the peer's address; no key passes for an address. A public server must check the key
// first: a client gets a fresh limit for each key that it makes up.
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
