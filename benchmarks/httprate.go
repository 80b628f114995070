package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/go-chi/httprate"
	httprateredis "github.com/go-chi/httprate-redis"
)

// chiHTTPRate is a middleware. It is called as its handler would call it, but without
// response headers, which the others do not write either.
func chiHTTPRate() *contestant {
	return &contestant{name: "httprate", kind: rival, client: "go-redis", module: "github.com/go-chi/httprate-redis",
		note: "two counters, read in one round trip and written in another, all callers of a process one after the other; not atomic between processes",
		open: func(c *clients, l limit) (*subject, error) {
			limiter, err := newHTTPRate(c, l)
			if err != nil {
				return nil, err
			}
			return &subject{caller: func() call { return callHTTPRate(limiter) }}, nil
		},
		// A limiter for each caller, as if they were in many processes.
		warm: func(c *clients, l limit) (*subject, error) {
			return &subject{caller: func() call {
				limiter, err := newHTTPRate(c, l)
				if err != nil {
					return func(context.Context, func() string) answer { return answerOf(false, err) }
				}
				return callHTTPRate(limiter)
			}}, nil
		}}
}

func newHTTPRate(c *clients, l limit) (*httprate.RateLimiter, error) {
	counter, err := httprateredis.NewRedisLimitCounter(&httprateredis.Config{
		Client: c.goredis, PrefixKey: "httprate", WindowLength: l.period, FallbackDisabled: true,
	})
	if err != nil {
		return nil, fmt.Errorf("make a counter: %w", err)
	}
	return httprate.NewRateLimiter(int(l.count), l.period,
		httprate.WithLimitCounter(counter),
		httprate.WithResponseHeaders(httprate.ResponseHeaders{}),
		httprate.WithErrorHandler(func(w http.ResponseWriter, _ *http.Request, err error) { w.(*noResponse).err = err }),
	), nil
}

func callHTTPRate(limiter *httprate.RateLimiter) call {
	response, request := &noResponse{}, &http.Request{}
	return func(_ context.Context, next func() string) answer {
		response.err = nil
		limited := limiter.OnLimit(response, request, next())
		return answerOf(!limited, response.err)
	}
}

// noResponse is a response that is not written. It keeps the error instead.
type noResponse struct{ err error }

func (*noResponse) Header() http.Header         { return http.Header{} }
func (*noResponse) Write(b []byte) (int, error) { return len(b), nil }
func (*noResponse) WriteHeader(int)             {}
