// Package echolimit is middleware for Echo (v5) that limits requests by a
// [ratelimit.Limiter].
//
//	limit, err := echolimit.New(limiter, echolimit.HTTP(httplimit.Peer))
//	…
//	e.Use(limit)
//
// It is [httplimit] for Echo, and answers the same: see there for statuses, header
// fields, and what becomes of several limits one inside the other. A request that
// is let through goes to the next handler with Echo's context as it is, and the
// error of that is returned as it is. One that is not is answered at once, so what
// middlewares further out see of it, such as the status in a log, is right.
//
// # Errors
//
// A refusal is no error: Echo's HTTPErrorHandler does not see it. Where that gives
// all errors of a service one form, use [WithErrors], which leaves the status and
// the body to it, or return an error of yours from a [Handler].
//
// # Whom to limit
//
// An [Identity] tells that, and there is no default. Those of package httplimit
// serve by [HTTP], and any function of Echo's context does:
//
//	user := func(c *echo.Context) string {
//		name, _ := c.Get("user").(string) // by a middleware before
//		return name
//	}
//	limit, err := echolimit.New(limiter, echolimit.First(user, echolimit.HTTP(httplimit.Peer)))
//
// [First] and [All] keep the texts of different kinds apart, so that no user passes
// for an address. Behind proxies use [httplimit.Address], which goes by what it is told
// itself, whatever IPExtractor Echo has.
//
// # Order
//
// A middleware sees what those before it did: put it behind the one that
// authenticates, and before what is expensive. Put it behind Recover, and behind
// Gzip, which may compress refusals, too. One given to Use sees what has no route
// (404) as well; one given to Pre is before the router, where there is no path yet.
package echolimit
