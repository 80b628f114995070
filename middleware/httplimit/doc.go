// Package httplimit is middleware that limits requests by a [ratelimit.Limiter], for
// net/http and everything that takes its handlers.
//
//	limit, err := httplimit.New(limiter, httplimit.Peer)
//	…
//	http.Handle("/", limit(handler))
//
// A request that is let through reaches the handler with its ResponseWriter unchanged, so
// streaming, hijacking and everything else work as they do without a limit. A request that
// is not let through is answered instead:
//
//	429  the limit denied it
//	400  it does not identify its client, or its cost is not known
//	503  Redis did not decide, and the limiter's failure mode is closed
//	503  its context ended before it was decided (no body)
//	500  it could not be decided for another reason, which is a mistake of the program
//
// The body is application/problem+json (RFC 9457), or text/plain if the request's Accept
// field prefers text/plain or text/html. [WithHandler] replaces these answers. Allowed and
// denied requests are both answered with the fields RateLimit-Policy and RateLimit; see
// [WithHeaders]. The answers above have Cache-Control: no-store, except the one without a
// body. A denial has Retry-After: the wait that the request needs, in whole seconds,
// rounded up. The field is left out if no wait helps. It is 1 when Redis is away.
//
// # Whom to limit
//
// An [Identity] names the client, and there is no default. [Peer] is right if clients
// connect to the server directly, [Address] if they come through proxies, and [Header],
// [BasicAuth] and [ContextValue] if they say who they are. A request without an identity
// is refused, because all such requests would otherwise share one limit.
//
//	behind := httplimit.Address{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
//	address, err := behind.Identity()
//	…
//	key, err := httplimit.Header("X-API-Key")
//	…
//	limit, err := httplimit.New(limiter, httplimit.First(key, address))
//
// In this example, a client that makes up a key for each request has a fresh limit each
// time. So put this middleware behind code that refuses unknown keys, or limit by address
// as well, with [NewAll].
//
// # Nested middleware
//
// If a limited handler contains limited handlers, the response still has one set of header
// fields. RateLimit-Policy and RateLimit list the outer limits first and the inner ones
// after them; of two limits with the same name, only the inner one is listed. The older
// fields show the limit that denies the request or, if none does, the limit with less
// remaining. The later Retry-After stays. To charge several limits together or not at all,
// use [NewAll].
//
// # Outgoing requests
//
// [NewTransport] is for clients. It keeps the requests of a whole fleet within a limit,
// and can make requests wait until the limit allows them.
//
// # Other servers
//
// A [Guard] is the same logic without the request and response types of net/http, for
// servers that have their own.
package httplimit
