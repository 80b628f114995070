package grpclimit

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Identity tells whom a call is limited as: calls of one text share what the limit
// gives. The text is empty where that is not known, and the call is then refused:
// it never shares a limit with all others like it. ctx is the call's own, at a
// server with its peer and metadata.
//
// The ready ones begin their text with its kind, "ip:192.0.2.1" or
// "metadata:x-api-key:…", so what one of them returns no other can. A function of
// your own does well to do the same. It is called for each call and limit, or message,
// and again for one that waits, from any number of goroutines.
type Identity func(ctx context.Context, call Call) string

// Method limits each method by itself: "method:/package.Service/Method". A server
// with a grpc.UnknownServiceHandler gets methods that clients made up; limit such a
// one by something else.
func Method(_ context.Context, call Call) string { return "method:" + call.Method }

// Service limits each service by itself: "service:package.Service". What is said of
// [Method] holds for it too.
func Service(_ context.Context, call Call) string {
	if service := call.Service(); service != "" {
		return "service:" + service
	}
	return ""
}

// Target limits a client by what its connection was made for:
// "target:dns:///greeter.example:443". A server knows none.
func Target(_ context.Context, call Call) string {
	if call.Target != "" {
		return "target:" + call.Target
	}
	return ""
}

// ContextValue limits by a value of the call's context, such as the user whom an
// interceptor before this one has authenticated: "value:<name>:<value>". It is
// unknown where value returns "". The name may not be empty or have a colon.
func ContextValue(name string, value func(context.Context) string) (Identity, error) {
	switch {
	case name == "" || strings.Contains(name, ":"):
		return nil, fmt.Errorf("grpclimit: name of a context value is %q: must not be empty or have a colon", name)
	case value == nil:
		return nil, fmt.Errorf("grpclimit: function of context value %q is nil", name)
	}
	prefix := "value:" + name + ":"
	return func(ctx context.Context, _ Call) string {
		if v := value(ctx); v != "" {
			return prefix + v
		}
		return ""
	}, nil
}

// First limits by the first of identities that is known, "first0:ip:192.0.2.1". Its
// place in the list tells it from what another yields; to change their order makes
// clients fresh. Mind that a client who can leave the first one out chooses what it
// is limited as. Where the list is empty or has a nil, First returns nil, which the
// interceptors refuse.
func First(identities ...Identity) Identity {
	if !usable(identities) {
		return nil
	}
	return func(ctx context.Context, call Call) string {
		for i, identity := range identities {
			if text := identity(ctx, call); text != "" {
				return "first" + strconv.Itoa(i) + ":" + text
			}
		}
		return ""
	}
}

// All limits by all identities together, such as each user on each method. It is
// unknown where one of them is. Each text has its length before it, "all:2:ab1:c",
// so no two lists of texts are the same. Where the list is empty or has a nil, All
// returns nil, which the interceptors refuse.
func All(identities ...Identity) Identity {
	if !usable(identities) {
		return nil
	}
	return func(ctx context.Context, call Call) string {
		var room [128]byte
		all := append(room[:0], "all:"...)
		for _, identity := range identities {
			text := identity(ctx, call)
			if text == "" {
				return ""
			}
			all = strconv.AppendInt(all, int64(len(text)), 10)
			all = append(append(all, ':'), text...)
		}
		return string(all)
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
