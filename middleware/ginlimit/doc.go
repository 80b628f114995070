// Package ginlimit is middleware for gin that limits requests by a
// [ratelimit.Limiter].
//
//	limit, err := ginlimit.New(limiter, ginlimit.HTTP(httplimit.Peer))
//	…
//	router.Use(limit)
//
// It is [httplimit] for gin, and answers in the same way: see there for statuses, header
// fields and nested middleware. A request that is let through goes on to the next handler
// with gin's context unchanged. A request that is not let through is aborted and answered,
// so what outer middlewares see of it, such as the status in a log, is right.
//
// # Whom to limit
//
// An [Identity] names the client, and there is no default. Those of package httplimit can
// be used with [HTTP], and so can any function of gin's context:
//
//	user := func(c *gin.Context) string { return c.GetString("user") } // set by an earlier middleware
//	limit, err := ginlimit.New(limiter, ginlimit.First(user, ginlimit.HTTP(httplimit.Peer)))
//
// [First] and [All] keep the texts of different kinds apart, so no user passes for an
// address. Do not use [gin.Context.ClientIP] unless you have set the engine's trusted
// proxies: by default gin trusts all of them, so a client can pretend to be anybody.
// Behind proxies use [httplimit.Address], which ignores gin's setting.
//
// # Order
//
// A middleware sees what earlier ones did. Put this one after the one that authenticates,
// and before anything expensive. Put it after gin.Recovery. Put it after compression, too,
// which then compresses what handlers write and leaves refusals as they are. Requests
// without a route (404) are limited only if the middleware is the engine's own, or is
// given to NoRoute.
package ginlimit
