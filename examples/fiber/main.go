// Fiber is a server on Fiber that limits its clients by the API key in the header
// X-API-Key, or by their address if there is none. It needs nothing but Go:
//
//	go run ./examples/fiber
//
// It uses an embedded Redis, or yours with -redis.
package main

import (
	"context"
	"net"
	"time"

	"github.com/gofiber/fiber/v3"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/examples/internal/serve"
	"github.com/distributed-rate-limiter/ratelimit/middleware/fiberlimit"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

var program = serve.Program{
	Name:  "fiber",
	Try:   "5 requests in 10 s. One too many:\n  curl -i -H 'X-API-Key: alice' '%s/?[1-6]'",
	Serve: serveApp,
}

func main() { program.Main() }

func serveApp(ctx context.Context, redis store.Store, listener net.Listener) error {
	app, err := newApp(redis)
	if err != nil {
		return err
	}
	return serve.Until(ctx, func() error {
		return app.Listener(listener, fiber.ListenConfig{DisableStartupMessage: true})
	}, app.ShutdownWithContext)
}

func newApp(redis store.Store) (*fiber.App, error) {
	limiter, err := ratelimit.New(redis, tokenbucket.Limit{Rate: 5, Period: 10 * time.Second},
		ratelimit.WithNamespace("fiber"))
	if err != nil {
		return nil, err
	}
	key, err := fiberlimit.Header("X-API-Key") // a public server must check it first
	if err != nil {
		return nil, err
	}
	limit, err := fiberlimit.New(limiter, fiberlimit.First(key, fiberlimit.Peer))
	if err != nil {
		return nil, err
	}
	app := fiber.New(fiber.Config{ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute})
	app.Get("/healthz", func(c fiber.Ctx) error { return c.SendStatus(fiber.StatusNoContent) }) // not limited
	app.Use(limit)
	app.Get("/", func(c fiber.Ctx) error { return c.SendString("Hello.\n") })
	return app, nil
}
