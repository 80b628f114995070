package fiberlimit

import (
	"fmt"
	"net/http"

	"github.com/gofiber/fiber/v3"

	"github.com/distributed-rate-limiter/ratelimit/internal/identity"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

// Identity tells whom a request is limited as, or "" where that is not known. Any
// function will do, such as one of a parameter, for a limit that stands on the route
// itself:
//
//	func(c fiber.Ctx) string { return "tenant:" + c.Params("tenant") }
//
// It is called once for each request and limit, from any number of goroutines at
// once. The text may be memory of the request's, as Fiber's strings are: it is
// copied.
//
// The texts of the ready ones are those of httplimit's, which begin with their kind
// ("ip:", "header:", …), so no API key passes for an address. [First] and [All] keep
// the texts of functions of your own apart, too.
type Identity func(fiber.Ctx) string

// Header returns the identity that is the value of a header field, such as
// "X-API-Key". It is not known where the field is missing, empty, or there more
// than once: then it could not be told which of them other code goes by. (Of Host,
// User-Agent and Content-Type, Fiber only knows the last.)
//
// Whoever makes up a value is a new client with a fresh limit, so check it first:
// put the middleware behind the one that authenticates.
func Header(name string) (Identity, error) {
	prefix, err := identity.HeaderPrefix(name)
	if err != nil {
		return nil, fmt.Errorf("fiberlimit: %w", err)
	}
	return func(c fiber.Ctx) string {
		var room [2]string
		lines := appendLines(room[:0], c, name)
		if len(lines) != 1 || lines[0] == "" {
			return ""
		}
		return prefix + lines[0]
	}, nil
}

// BasicAuth is the [Identity] that is the user of HTTP Basic authentication. It
// is not known where there is none. The password is not looked at: put the
// middleware behind the one that authenticates, or anybody uses up anybody's limit.
func BasicAuth(c fiber.Ctx) string {
	var room [2]string
	lines := appendLines(room[:0], c, fiber.HeaderAuthorization)
	if len(lines) == 0 {
		return ""
	}
	return httplimit.BasicAuth(&http.Request{Header: http.Header{fiber.HeaderAuthorization: lines}})
}

// Local returns the identity that stands in the request's [fiber.Ctx.Locals] under
// key, put there by a handler before. Values of any string or integer type are
// known, and those that have a String method; others and "" are not. The name, such
// as "tenant", tells it from other values, as in [httplimit.ContextValue]; it may
// not be empty or have a colon.
func Local(name string, key any) (Identity, error) {
	prefix, err := identity.ValuePrefix(name, key)
	if err != nil {
		return nil, fmt.Errorf("fiberlimit: %w", err)
	}
	return func(c fiber.Ctx) string {
		text := identity.Value(c.Locals(key))
		if text == "" {
			return ""
		}
		return prefix + text
	}, nil
}

// First returns the identity that is the first of several that is known: the API
// key, or else the address. See [httplimit.First]. Where the list is empty or has a
// nil, First returns nil, which [New] refuses.
func First(identities ...Identity) Identity {
	return identity.First[fiber.Ctx](identities)
}

// All returns the identity that is several together, such as the tenant and the
// address: each pair of them has a limit of its own. See [httplimit.All]. Where the
// list is empty or has a nil, All returns nil, which [New] refuses.
func All(identities ...Identity) Identity {
	return identity.All[fiber.Ctx](identities)
}
