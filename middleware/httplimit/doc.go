// Package httplimit is middleware for net/http, and for whatever takes its
// handlers, that limits requests by a [ratelimit.Limiter].
//
//	limit, err := httplimit.New(limiter, httplimit.Peer)
//	…
//	http.Handle("/", limit(handler))
//
// A request that is let through goes to the handler with the ResponseWriter as it
// is, so streaming, hijacking and all else work as without. One that is not gets
// an answer instead:
//
//	429  the limit denied it
//	400  it does not identify its client, or its cost is not known
//	503  Redis did not decide, and the limiter's failure mode is closed
//	503  its context ended before it was decided (no body)
//	500  it could not be decided otherwise, which is a mistake of the program
//
// in application/problem+json (RFC 9457), or in text/plain where its Accept field
// prefers that or text/html; [WithHandler] gives it another. Responses to both
// have the fields RateLimit-Policy and RateLimit, see [WithHeaders]; those to
// requests that are not let through have Cache-Control: no-store. Retry-After is the
// wait that a denied request needs, in whole seconds, rounded up, and is left out
// where no wait helps. Where Redis is away it is 1.
//
// # Whom to limit
//
// An [Identity] tells that, and there is no default: [Peer] is right where clients
// connect to the server themselves, [Address] behind proxies, [Header],
// [BasicAuth] and [ContextValue] where they say who they are. A request without an
// identity is refused, since all of them together would have one limit.
//
//	behind := httplimit.Address{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
//	address, err := behind.Identity()
//	…
//	key, err := httplimit.Header("X-API-Key")
//	…
//	limit, err := httplimit.New(limiter, httplimit.First(key, address))
//
// Here a client that makes up a key for each request has a fresh limit each time. So put
// this behind what refuses unknown keys, or limit by address as well, by [NewAll].
//
// # One inside the other
//
// The header fields of a response are one set, also where a limited handler has
// limited handlers inside. RateLimit-Policy and RateLimit list the outer limits
// and then the inner ones; of two of one name the inner one is listed. Of the
// older fields, those of the limit with less remaining stay, or those of the limit
// that denies. The later Retry-After stays. To charge several limits together or
// not at all, use [NewAll].
//
// # Outgoing requests
//
// [NewTransport] is for clients: it keeps what a fleet sends within a limit, and can
// have requests wait.
//
// # Other servers
//
// A [Guard] is all of this without net/http's requests and responses, for servers
// that have others.
package httplimit
