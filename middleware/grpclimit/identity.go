package grpclimit

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Identity returns the text that identifies the client whose limit a call counts against.
// Calls with the same text share what the limit gives. The text is "" if the client is
// unknown. The call is then refused, so unknown clients never share a limit. ctx is the
// call's own; at a server it has the peer and the metadata.
//
// The texts of the identities in this package begin with their kind, "ip:192.0.2.1" or
// "metadata:x-api-key:…", so none can return a text of another. A function of your own
// should do the same. It is called for each limit and each call or message, again and again
// for one that waits, and from any number of goroutines.
type Identity func(ctx context.Context, call Call) string

// Method limits each method by itself: "method:/package.Service/Method". At a server with
// a grpc.UnknownServiceHandler, clients can make up methods, so limit it by something
// else.
func Method(_ context.Context, call Call) string { return "method:" + call.Method }

// Service limits each service by itself: "service:package.Service". The warning at
// [Method] holds for it too.
func Service(_ context.Context, call Call) string {
	if service := call.Service(); service != "" {
		return "service:" + service
	}
	return ""
}

// Target limits a client by what its connection was made for:
// "target:dns:///greeter.example:443". It is unknown at a server.
func Target(_ context.Context, call Call) string {
	if call.Target != "" {
		return "target:" + call.Target
	}
	return ""
}

// ContextValue limits by a value of the call's context, such as the user that an earlier
// interceptor has authenticated: "value:<name>:<value>". It is unknown if value returns
// "". The name must not be empty or contain a colon.
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

// First limits by the first of identities that is known: "first0:ip:192.0.2.1". The text
// has that one's place in the list, which tells it from texts of the others. Changing
// their order therefore gives clients fresh limits. A client that can leave out what the
// first one needs chooses what it is limited by. If the list is empty or contains nil,
// First returns nil, which the interceptors refuse.
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

// All limits by all identities together, such as each user on each method. It is unknown
// if one of them is. Each text is preceded by its length, "all:2:ab1:c", so different
// lists of texts never give the same identity. If the list is empty or contains nil, All
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
