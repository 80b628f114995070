// Package fiberlimit is middleware for Fiber (v3) that limits requests by a
// [ratelimit.Limiter].
//
//	limit, err := fiberlimit.New(limiter, fiberlimit.Peer)
//	…
//	app.Use(limit)
//
// It is [httplimit] for Fiber: a [httplimit.Guard] decides and says what to answer,
// so statuses, header fields and bodies are the same; see there. Identities are the
// same, too, so services on net/http and on Fiber can share limits.
//
// A request that is let through goes to the next handler, whose error is returned
// as it is. One that is not is answered, without the app's ErrorHandler; with
// [WithHandler], a handler of yours may return an error for that. The header fields
// of groups inside each other are one set. They are set before the next handler
// runs, and a handler that makes the whole response anew, as package
// middleware/proxy of Fiber does, drops them, as it does those of all middleware.
//
// # Whom to limit
//
// An [Identity] tells that, and there is no default: [Peer] is right where clients
// connect to the server themselves, [Address] behind proxies, [Header],
// [BasicAuth] and [Local] where they say who they are. What Fiber knows of proxies
// (TrustProxy, ProxyHeader, [fiber.Ctx.IP]) has no say in it.
//
//	address, err := fiberlimit.Address(httplimit.Address{
//		Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
//	})
//	…
//	key, err := fiberlimit.Header("X-API-Key")
//	…
//	limit, err := fiberlimit.New(limiter, fiberlimit.First(key, address))
//
// Here a client that makes up a key for each request has a fresh limit each time. So put
// this behind what refuses unknown keys, or limit by address as well, by [NewAll].
//
// # The context
//
// Decisions are made under [fiber.Ctx.Context]: what a handler before has set by
// SetContext, with its deadline, cancellation and values, or else
// [context.Background]. Fiber does not tell that a client has left, so a decision
// for one that has is made all the same, within the limiter's timeout. The context
// that fasthttp has for a request is not used: it ends with the server, which would
// refuse requests that a graceful shutdown waits for, and it is another request's
// after this one.
package fiberlimit
