// Echo is a server on Echo that gives the errors of handlers and of limits the same form.
// It needs nothing but Go:
//
//	go run ./examples/echo
//
// It uses an embedded Redis, or yours with -redis. Searches cost more than other requests.
package main

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/examples/internal/serve"
	"github.com/distributed-rate-limiter/ratelimit/middleware/echolimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

var program = serve.Program{
	Name: "echo",
	Try:  "10 units in an hour, of which a search takes 4. One too many:\n  curl -i '%s/search?[1-3]'",
	Serve: func(ctx context.Context, redis store.Store, listener net.Listener) error {
		e, err := newEcho(redis)
		if err != nil {
			return err
		}
		return serve.HTTP(ctx, listener, e)
	},
}

func main() { program.Main() }

func newEcho(redis store.Store) (*echo.Echo, error) {
	limiter, err := ratelimit.New(redis, tokenbucket.Limit{Rate: 10, Period: time.Hour}, ratelimit.WithNamespace("echo"))
	if err != nil {
		return nil, err
	}
	limit, err := echolimit.NewAll([]echolimit.Limit{
		{Name: "units", Limiter: limiter, Identity: echolimit.HTTP(httplimit.Peer), Cost: cost},
	}, echolimit.WithErrors())
	if err != nil {
		return nil, err
	}
	e := echo.New()
	e.HTTPErrorHandler = answer
	e.Use(middleware.Recover(), limit)
	e.GET("/healthz", func(c *echo.Context) error { return c.NoContent(http.StatusNoContent) })
	e.GET("/search", func(c *echo.Context) error { return c.String(http.StatusOK, "Found.\n") })
	e.GET("/", func(c *echo.Context) error { return c.String(http.StatusOK, "Hello.\n") })
	return e, nil
}

// cost returns how many units a request takes, by its route.
func cost(c *echo.Context) int64 {
	switch c.Path() {
	case "/healthz":
		return 0 // not limited
	case "/search":
		return 4
	}
	return 1
}

// answer gives all errors the same form. The header fields of a limit are already set.
func answer(c *echo.Context, err error) {
	if response, _ := echo.UnwrapResponse(c.Response()); response != nil && response.Committed {
		return
	}
	status := echo.StatusCode(err)
	if status == 0 {
		status = http.StatusInternalServerError
	}
	_ = c.JSON(status, map[string]string{"error": http.StatusText(status)}) // a client that is gone needs no answer
}
