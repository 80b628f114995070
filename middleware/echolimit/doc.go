// Package echolimit is middleware for Echo (v5) that limits requests by a
// [ratelimit.Limiter].
//
//	limit, err := echolimit.New(limiter, echolimit.HTTP(httplimit.Peer))
//	…
//	e.Use(limit)
//
// It is [httplimit] for Echo, and answers in the same way: see there for statuses, header
// fields and nested middleware. A request that is let through goes to the next handler
// with Echo's context unchanged, and the handler's error is returned unchanged. A request
// that is not let through is answered at once, so what outer middlewares see of it, such
// as the status in a log, is right.
//
// # Errors
//
// A refusal is not an error, so Echo's HTTPErrorHandler does not see it. If that handler
// gives all errors of a service one form, use [WithErrors], which leaves the status and
// the body to it, or return an error of your own from a [Handler].
//
// # Whom to limit
//
// An [Identity] names the client, and there is no default. Those of package httplimit can
// be used with [HTTP], and so can any function of Echo's context:
//
//	user := func(c *echo.Context) string {
//		name, _ := c.Get("user").(string) // set by an earlier middleware
//		return name
//	}
//	limit, err := echolimit.New(limiter, echolimit.First(user, echolimit.HTTP(httplimit.Peer)))
//
// [First] and [All] keep the texts of different kinds apart, so no user passes for an
// address. Behind proxies use [httplimit.Address], which ignores Echo's IPExtractor.
//
// # Order
//
// A middleware sees what earlier ones did. Put this one after the one that authenticates,
// and before anything expensive. Put it after Recover, and after Gzip, which may then
// compress refusals, too. A middleware given to Use also sees requests without a route
// (404). One given to Pre runs before the router, when there is no path yet.
package echolimit
