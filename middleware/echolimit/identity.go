package echolimit

import (
	"github.com/labstack/echo/v5"

	"github.com/distributed-rate-limiter/ratelimit/internal/identity"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

// Identity returns the text that identifies the client whose limit a request counts
// against, or "" if the client is unknown; see [httplimit.Identity]. It is called once for
// each request and limit, from any number of goroutines at once. It must not keep the
// context, which Echo reuses.
type Identity func(*echo.Context) string

// HTTP converts an identity of package httplimit to one of this package. Its texts are the
// same, so services on net/http and on Echo can share limits. If identity is nil, so is
// the result, which [New] refuses.
func HTTP(identity httplimit.Identity) Identity {
	if identity == nil {
		return nil
	}
	return func(c *echo.Context) string { return identity(c.Request()) }
}

// First returns an identity that limits by the first of several that is known, such as the
// user, or else the address. See [httplimit.First]. If the list is empty or contains nil,
// First returns nil, which [New] refuses.
func First(identities ...Identity) Identity {
	return identity.First[*echo.Context](identities)
}

// All returns an identity that limits by several together, such as the tenant and the
// address: each combination has a limit of its own. See [httplimit.All]. If the list is
// empty or contains nil, All returns nil, which [New] refuses.
func All(identities ...Identity) Identity {
	return identity.All[*echo.Context](identities)
}
