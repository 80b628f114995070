package httplimit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"reflect"
	"strconv"
	"strings"
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
	switch {
	case !isToken(name):
		return nil, fmt.Errorf("httplimit: header is %q: must be the name of a header field", name)
	case strings.EqualFold(name, "Host"):
		return nil, errors.New(`httplimit: header is "Host", which net/http keeps in Request.Host`)
	}
	key := textproto.CanonicalMIMEHeaderKey(name)
	prefix := "header:" + strings.ToLower(name) + ":"
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
	switch {
	case name == "" || strings.Contains(name, ":"):
		return nil, fmt.Errorf("httplimit: name of a context value is %q: must not be empty or have a colon", name)
	case key == nil:
		return nil, fmt.Errorf("httplimit: key of context value %q is nil", name)
	case !reflect.ValueOf(key).Comparable():
		return nil, fmt.Errorf("httplimit: key of context value %q is of type %T, which cannot be compared", name, key)
	}
	prefix := "value:" + name + ":"
	return func(r *http.Request) string {
		text := valueText(r.Context(), key)
		if text == "" {
			return ""
		}
		return prefix + text
	}, nil
}

func valueText(ctx context.Context, key any) string {
	value := ctx.Value(key)
	if text, ok := value.(string); ok {
		return text
	}
	v := reflect.ValueOf(value)
	if text, ok := value.(fmt.Stringer); ok && (v.Kind() != reflect.Pointer || !v.IsNil()) {
		return text.String()
	}
	switch {
	case v.Kind() == reflect.String:
		return v.String()
	case v.CanInt():
		return strconv.FormatInt(v.Int(), 10)
	case v.CanUint():
		return strconv.FormatUint(v.Uint(), 10)
	}
	return ""
}

// First returns the identity that is the first of several that is known: the API
// key, or else the address. Its text has the place of that one in the list, so
// whatever one of them yields never passes for another's; to change their order
// makes clients fresh. Where the list is empty or has a nil, First returns nil,
// which [New] refuses.
func First(identities ...Identity) Identity {
	if !usable(identities) {
		return nil
	}
	return func(r *http.Request) string {
		for i, identity := range identities {
			if text := identity(r); text != "" {
				return "first" + strconv.Itoa(i) + ":" + text
			}
		}
		return ""
	}
}

// All returns the identity that is several together, such as the tenant and the
// address: each pair of them has a limit of its own. It is known where all of
// them are. No two lists of texts are the same identity. Where the list is empty
// or has a nil, All returns nil, which [New] refuses.
func All(identities ...Identity) Identity {
	if !usable(identities) {
		return nil
	}
	return func(r *http.Request) string {
		joined := []byte("all:")
		for _, identity := range identities {
			text := identity(r)
			if text == "" {
				return ""
			}
			joined = strconv.AppendInt(joined, int64(len(text)), 10)
			joined = append(append(joined, ':'), text...)
		}
		return string(joined)
	}
}

func usable(identities []Identity) bool {
	for _, identity := range identities {
		if identity == nil {
			return false
		}
	}
	return len(identities) > 0
}

// isToken tells whether name is a token of RFC 9110, section 5.6.2.
func isToken(name string) bool {
	for i := range len(name) {
		if c := name[i]; !isAlphanumeric(c) && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return name != ""
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}
