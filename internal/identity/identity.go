// Package identity has what the identities of all middleware have in common, whatever type
// R a server has for its requests. So services on different HTTP servers name the same
// client by the same text, and share limits.
package identity

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// HeaderPrefix returns the prefix of identities that are the value of a header field, such
// as "header:x-api-key:".
func HeaderPrefix(name string) (string, error) {
	if !IsToken(name) {
		return "", fmt.Errorf("header is %q: must be the name of a header field", name)
	}
	return "header:" + strings.ToLower(name) + ":", nil
}

// ValuePrefix returns the prefix of identities that are a value which other code of the
// program has put into the request under key, such as "value:tenant:".
func ValuePrefix(name string, key any) (string, error) {
	switch {
	case name == "" || strings.Contains(name, ":"):
		return "", fmt.Errorf("name of a context value is %q: must not be empty or have a colon", name)
	case key == nil:
		return "", fmt.Errorf("key of context value %q is nil", name)
	case !reflect.ValueOf(key).Comparable():
		return "", fmt.Errorf("key of context value %q is of type %T, which cannot be compared", name, key)
	}
	return "value:" + name + ":", nil
}

// Value returns the text of a value that is of any string or integer type, or has a String
// method. It returns "" for any other value.
func Value(value any) string {
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

// First returns the identity that is the first one of several that is known, such as
// "first0:ip:192.0.2.1". It returns nil if the list is empty or has a nil.
func First[R any, F ~func(R) string](identities []F) F {
	if !usable(identities) {
		return nil
	}
	return func(r R) string {
		for i, identity := range identities {
			if text := identity(r); text != "" {
				return "first" + strconv.Itoa(i) + ":" + text
			}
		}
		return ""
	}
}

// All returns the identity that is several together, such as "all:2:ab1:c". It returns nil
// if the list is empty or has a nil.
func All[R any, F ~func(R) string](identities []F) F {
	if !usable(identities) {
		return nil
	}
	return func(r R) string {
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

func usable[R any, F ~func(R) string](identities []F) bool {
	for _, identity := range identities {
		if identity == nil {
			return false
		}
	}
	return len(identities) > 0
}

// IsToken reports whether name is a token of RFC 9110, section 5.6.2.
func IsToken(name string) bool {
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
