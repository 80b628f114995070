package fiberlimit

import (
	"fmt"
	"net/http"

	"github.com/gofiber/fiber/v3"

	"github.com/distributed-rate-limiter/ratelimit/internal/identity"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

// Identity returns the text that identifies the client whose limit a request counts
// against, or "" if the client is unknown. Any function will do, such as one that reads a
// route parameter, for a limit on that route itself:
//
//	func(c fiber.Ctx) string { return "tenant:" + c.Params("tenant") }
//
// It is called once for each request and limit, from any number of goroutines at once. The
// text may be in memory of the request, as Fiber's strings are, because it is copied.
//
// The texts of this package's identities are those of httplimit, which begin with their
// kind ("ip:", "header:", …), so no API key passes for an address. [First] and [All] also
// keep the texts of your own functions apart.
type Identity func(fiber.Ctx) string

// Header returns an identity that limits by the value of a header field, such as
// "X-API-Key". The identity is unknown if the field is missing, empty, or present more
// than once: other code might go by another of the values. (Fiber itself keeps only the
// last value of Host, User-Agent and Content-Type.)
//
// A client that makes up a value gets a fresh limit. So check the value first: put this
// middleware behind the one that authenticates.
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

// BasicAuth is the [Identity] that limits by the user name of HTTP Basic authentication.
// The identity is unknown if there is none. The password is not checked: put this
// middleware behind the one that authenticates, or anybody can use up the limit of anybody
// else.
func BasicAuth(c fiber.Ctx) string {
	var room [2]string
	lines := appendLines(room[:0], c, fiber.HeaderAuthorization)
	if len(lines) == 0 {
		return ""
	}
	return httplimit.BasicAuth(&http.Request{Header: http.Header{fiber.HeaderAuthorization: lines}})
}

// Local returns an identity that limits by the value that an earlier handler has put into
// the request's [fiber.Ctx.Locals] under key. The value may be of any string or integer
// type, or have a String method. The identity is unknown if it is of another type, or if
// its text is "". The name, such as "tenant", tells the value from other values, as in
// [httplimit.ContextValue]; it must not be empty or contain a colon.
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

// First returns an identity that limits by the first of several that is known, such as the
// API key, or else the address. See [httplimit.First]. If the list is empty or contains
// nil, First returns nil, which [New] refuses.
func First(identities ...Identity) Identity {
	return identity.First[fiber.Ctx](identities)
}

// All returns an identity that limits by several together, such as the tenant and the
// address: each combination has a limit of its own. See [httplimit.All]. If the list is
// empty or contains nil, All returns nil, which [New] refuses.
func All(identities ...Identity) Identity {
	return identity.All[fiber.Ctx](identities)
}
