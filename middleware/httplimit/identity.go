package httplimit

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"strings"

	"github.com/distributed-rate-limiter/ratelimit/internal/identity"
)

// Identity tells whom a request is limited as, or "" where that is not known. Any
// function will do; it is called once for each request, from any number of
// goroutines at once.
//
// The texts of the ready ones begin with their kind ("ip:", "header:", …), so no
// API key passes for an address. [First] and [All] keep the texts of functions
// of your own apart, too.
type Identity func(*http.Request) string

// Header returns the identity that is the value of a header field, such as
// "X-API-Key". It is not known where the field is missing, empty, or there more
// than once: then it could not be told which of them other code goes by.
//
// Whoever makes up a value is a new client with a fresh limit, so check it first:
// put the middleware behind the one that authenticates.
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

// BasicAuth is the [Identity] that is the user of HTTP Basic authentication. It
// is not known where there is none. The password is not looked at: put the
// middleware behind the one that authenticates, or anybody uses up anybody's limit.
func BasicAuth(r *http.Request) string {
	user, _, ok := r.BasicAuth()
	if !ok || user == "" {
		return ""
	}
	return "user:" + user
}

// ContextValue returns the identity that stands in the request's context under
// key, put there by a middleware further out. Values of any string or integer
// type are known, and those that have a String method; others and "" are not.
// The name, such as "tenant", tells it from other values; it may not be empty or
// have a colon.
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

// First returns the identity that is the first of several that is known: the API
// key, or else the address. Its text has the place of that one in the list, so
// whatever one of them yields never passes for another's; to change their order
// makes clients fresh. Where the list is empty or has a nil, First returns nil,
// which [New] refuses.
func First(identities ...Identity) Identity {
	return identity.First[*http.Request](identities)
}

// All returns the identity that is several together, such as the tenant and the
// address: each pair of them has a limit of its own. It is known where all of
// them are. No two lists of texts are the same identity. Where the list is empty
// or has a nil, All returns nil, which [New] refuses.
func All(identities ...Identity) Identity {
	return identity.All[*http.Request](identities)
}
