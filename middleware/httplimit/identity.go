package httplimit

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"strings"

	"github.com/distributed-rate-limiter/ratelimit/internal/identity"
)

// Identity returns the text that identifies the client whose limit a request counts
// against, or "" if the client is unknown. Any function will do. It is called once for
// each request and limit, from any number of goroutines at once.
//
// The identities that this package returns begin with their kind ("ip:", "header:", …), so
// no API key passes for an address. [First] and [All] also keep the texts of your own
// functions apart.
type Identity func(*http.Request) string

// Header returns an identity that limits by the value of a header field, such as
// "X-API-Key". The identity is unknown if the field is missing, empty, or present more
// than once: other code might go by another of the values.
//
// A client that makes up a value gets a fresh limit. So check the value first: put this
// middleware behind the one that authenticates.
func Header(name string) (Identity, error) {
	prefix, err := identity.HeaderPrefix(name)
	if err != nil {
		return nil, fmt.Errorf("httplimit: %w", err)
	}
	if strings.EqualFold(name, "Host") {
		return nil, errors.New(`httplimit: header is "Host", which net/http keeps in Request.Host`)
	}
	key := textproto.CanonicalMIMEHeaderKey(name)
	return func(r *http.Request) string {
		values := r.Header[key]
		if len(values) != 1 || values[0] == "" {
			return ""
		}
		return prefix + values[0]
	}, nil
}

// BasicAuth is the [Identity] that limits by the user name of HTTP Basic authentication.
// The identity is unknown if there is none. The password is not checked: put this
// middleware behind the one that authenticates, or anybody can use up the limit of anybody
// else.
func BasicAuth(r *http.Request) string {
	user, _, ok := r.BasicAuth()
	if !ok || user == "" {
		return ""
	}
	return "user:" + user
}

// ContextValue returns an identity that limits by the value that an outer middleware has
// put into the request's context under key. The value may be of any string or integer
// type, or have a String method. The identity is unknown if it is of another type, or if
// its text is "". The name, such as "tenant", tells the value from other values; it must
// not be empty or contain a colon.
func ContextValue(name string, key any) (Identity, error) {
	prefix, err := identity.ValuePrefix(name, key)
	if err != nil {
		return nil, fmt.Errorf("httplimit: %w", err)
	}
	return func(r *http.Request) string {
		text := identity.Value(r.Context().Value(key))
		if text == "" {
			return ""
		}
		return prefix + text
	}, nil
}

// First returns an identity that limits by the first of several that is known, such as the
// API key, or else the address. Its text includes that one's place in the list, so a text
// of one identity never passes for that of another. Changing their order therefore gives
// clients fresh limits. If the list is empty or contains nil, First returns nil, which
// [New] refuses.
func First(identities ...Identity) Identity {
	return identity.First[*http.Request](identities)
}

// All returns an identity that limits by several together, such as the tenant and the
// address: each combination has a limit of its own. It is known only if all of them are.
// Different lists of texts never give the same identity. If the list is empty or contains
// nil, All returns nil, which [New] refuses.
func All(identities ...Identity) Identity {
	return identity.All[*http.Request](identities)
}
