package main

import (
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// limited returns next behind the limiter, which answers 429 Too Many Requests
// in its stead.
func limited(limiter *ratelimit.Limiter, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		result, err := limiter.Allow(r.Context(), identity(r))
		switch {
		case err != nil: // the client is gone; were Redis gone, FailOpen would let it through
			http.Error(w, "request was given up", http.StatusServiceUnavailable)
		case !result.Allowed && result.Degraded: // by FailClosed: it is Redis that is away
			http.Error(w, "try again later", http.StatusServiceUnavailable)
		case !result.Allowed:
			if seconds := retryAfter(result.RetryAfter); seconds > 0 {
				w.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
			}
			http.Error(w, "too many requests", http.StatusTooManyRequests)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// identity tells whom a request is from: the owner of the API key, or else the
// peer. What either is called begins with its kind, so that no key passes for an
// address. A server that faces the world checks the key first: whoever makes one
// up is a new client.
func identity(r *http.Request) string {
	if key := r.Header.Get("X-API-Key"); key != "" {
		return "key:" + key
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return "peer:" + host
}

// retryAfter returns wait in whole seconds, rounded up, at least 1; or 0 where
// no wait helps.
func retryAfter(wait time.Duration) int64 {
	if wait == algorithm.Never {
		return 0
	}
	return max(1, int64((wait+time.Second-1)/time.Second))
}
