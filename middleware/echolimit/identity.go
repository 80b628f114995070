package echolimit

import (
	"github.com/labstack/echo/v5"

	"github.com/distributed-rate-limiter/ratelimit/internal/identity"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

// Identity tells whom a request is limited as, or "" where that is not known; see
// [httplimit.Identity]. It is called once for each request, from any number of
// goroutines at once, and may not keep the context, which Echo uses again.
type Identity func(*echo.Context) string

// HTTP returns an identity of package httplimit as one of this package. Its texts
// are the same, so services on net/http and on Echo can share limits. It is nil if
// identity is, which [New] refuses.
func HTTP(identity httplimit.Identity) Identity {
	if identity == nil {
		return nil
	}
	return func(c *echo.Context) string { return identity(c.Request()) }
}

// First returns the identity that is the first of several that is known: the user,
// or else the address. See [httplimit.First]. Where the list is empty or has a nil,
// First returns nil, which [New] refuses.
func First(identities ...Identity) Identity {
	return identity.First[*echo.Context](identities)
}

// All returns the identity that is several together, such as the tenant and the
// address: each pair of them has a limit of its own. See [httplimit.All]. Where the
// list is empty or has a nil, All returns nil, which [New] refuses.
func All(identities ...Identity) Identity {
	return identity.All[*echo.Context](identities)
}
