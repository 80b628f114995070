// Gin is a server on gin that limits known users by their API key, and others by their
// address. It needs nothing but Go:
//
//	go run ./examples/gin
//
// It uses an embedded Redis, or yours with -redis.
package main

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/examples/internal/serve"
	"github.com/distributed-rate-limiter/ratelimit/middleware/ginlimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// users has the owners of API keys. A service would use a database.
var users = map[string]string{"k1": "alice", "k2": "bob"}

var program = serve.Program{
	Name: "gin",
	Try:  "5 requests in an hour. One too many:\n  curl -i -H 'X-API-Key: k1' '%s/?[1-6]'",
	Serve: func(ctx context.Context, redis store.Store, listener net.Listener) error {
		engine, err := newEngine(redis)
		if err != nil {
			return err
		}
		return serve.HTTP(ctx, listener, engine)
	},
}

func main() {
	gin.SetMode(gin.ReleaseMode)
	program.Main()
}

func newEngine(redis store.Store) (*gin.Engine, error) {
	limiter, err := ratelimit.New(redis, tokenbucket.Limit{Rate: 5, Period: time.Hour}, ratelimit.WithNamespace("gin"))
	if err != nil {
		return nil, err
	}
	user := func(c *gin.Context) string { return c.GetString("user") }
	limit, err := ginlimit.New(limiter, ginlimit.First(user, ginlimit.HTTP(httplimit.Peer)),
		ginlimit.WithHandler(httplimit.Denied, func(c *gin.Context, d httplimit.Decision) {
			c.JSON(d.Outcome.Status(), gin.H{"error": "too many requests"})
		}))
	if err != nil {
		return nil, err
	}
	engine := gin.New()
	engine.Use(gin.Recovery())
	engine.GET("/healthz", func(c *gin.Context) { c.Status(http.StatusNoContent) }) // not limited
	engine.Use(authenticate, limit)
	engine.GET("/", func(c *gin.Context) { c.String(http.StatusOK, "Hello, %s.\n", c.GetString("user")) })
	return engine, nil
}

// authenticate runs before the limit, which therefore applies to a user. Unknown keys have
// no user, so clients that make up keys are limited by their address.
func authenticate(c *gin.Context) {
	c.Set("user", users[c.GetHeader("X-API-Key")])
}
