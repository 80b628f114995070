// Package ginlimit is middleware for gin that limits requests by a
// [ratelimit.Limiter].
//
//	limit, err := ginlimit.New(limiter, ginlimit.HTTP(httplimit.Peer))
//	…
//	router.Use(limit)
//
// It is [httplimit] for gin, and answers the same: see there for statuses, header
// fields, and what becomes of several limits one inside the other. A request that
// is let through goes on to the next handler with gin's context as it is. One that
// is not is aborted and answered, so what the middlewares further out see of it,
// such as the status in a log, is right.
//
// # Whom to limit
//
// An [Identity] tells that, and there is no default. Those of package httplimit
// serve by [HTTP], and any function of gin's context does:
//
//	user := func(c *gin.Context) string { return c.GetString("user") } // by a middleware before
//	limit, err := ginlimit.New(limiter, ginlimit.First(user, ginlimit.HTTP(httplimit.Peer)))
//
// [First] and [All] keep the texts of different kinds apart, so that no user passes
// for an address. Do not use [gin.Context.ClientIP] of an engine whose trusted proxies are
// not set: gin trusts all by default, so a client can be whoever it likes to be.
// Behind proxies use [httplimit.Address], which ignores gin's setting.
//
// # Order
//
// A middleware sees what those before it did: put it behind the one that
// authenticates, and before what is expensive. Put it behind gin.Recovery, and
// behind compression, which then compresses what the handlers write and leaves
// refusals as they are. It limits what has no route (404) if it is the engine's,
// or given to NoRoute.
package ginlimit
