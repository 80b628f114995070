// Package fiberlimit is middleware for Fiber (v3) that limits requests by a
// [ratelimit.Limiter].
//
//	limit, err := fiberlimit.New(limiter, fiberlimit.Peer)
//	…
//	app.Use(limit)
//
// It is [httplimit] for Fiber. A [httplimit.Guard] decides and says how to answer, so
// statuses, header fields and bodies are the same; see there. Identities are the same,
// too, so services on net/http and on Fiber can share limits.
//
// A request that is let through goes to the next handler, whose error is returned
// unchanged. A request that is not let through is answered without the app's ErrorHandler,
// unless a handler of yours, set by [WithHandler], returns an error. Nested groups share
// one set of header fields. The fields are set before the next handler runs. A handler
// that replaces the whole response, as Fiber's middleware/proxy does, drops them, like
// those of any other middleware.
//
// # Whom to limit
//
// An [Identity] names the client, and there is no default. [Peer] is right if clients
// connect to the server directly, [Address] if they come through proxies, and [Header],
// [BasicAuth] and [Local] if they say who they are. Fiber's own settings for proxies
// (TrustProxy, ProxyHeader, [fiber.Ctx.IP]) have no effect.
//
//	address, err := fiberlimit.Address(httplimit.Address{
//		Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
//	})
//	…
//	key, err := fiberlimit.Header("X-API-Key")
//	…
//	limit, err := fiberlimit.New(limiter, fiberlimit.First(key, address))
//
// In this example, a client that makes up a key for each request has a fresh limit each
// time. So put this middleware behind code that refuses unknown keys, or limit by address
// as well, with [NewAll].
//
// # The context
//
// Decisions are made under [fiber.Ctx.Context]: the context, with its deadline,
// cancellation and values, that an earlier handler has set with SetContext, or else
// [context.Background]. Fiber does not report that a client has left, so a request whose
// client is gone is decided all the same, within the limiter's timeout. The context that
// fasthttp has for a request is not used. It ends with the server, which would then refuse
// requests that a graceful shutdown waits for, and fasthttp reuses it for other requests.
package fiberlimit
