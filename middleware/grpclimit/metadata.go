package grpclimit

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/metadata"
)

// Metadata limits by the value of a metadata key, such as an API key:
// "metadata:<key>:<value>". At a server it looks at what came with the call, at a
// client at what goes with it, but for what credentials of its connection add. Keys
// ending in "-bin" have bytes for a value; they are taken as they are.
//
// Clients write what they like. Let an interceptor before this one check the value,
// or else each that a client makes up is fresh. It is unknown where it is empty or
// missing; and where there are several, equal ones too: whoever checks the one could
// mean another.
func Metadata(key string) (Identity, error) {
	key = strings.ToLower(key)
	if !isKey(key) || strings.HasPrefix(key, "grpc-") {
		return nil, fmt.Errorf("grpclimit: metadata key is %q: must be of a-z, 0-9, '-', '_' and '.', and not begin with grpc-", key)
	}
	prefix := "metadata:" + key + ":"
	return func(ctx context.Context, call Call) string {
		if values := valuesOf(ctx, call, key); len(values) == 1 && values[0] != "" {
			return prefix + values[0]
		}
		return ""
	}, nil
}

// Authority limits a server by the name that the client calls it by, where it
// serves several: "authority:<host>". Since clients write what they like, it is
// known only where it is one of hosts, such as "api.example" or "api.example:8443",
// in letters of either case. A client does not know it; see [Target].
func Authority(hosts ...string) (Identity, error) {
	if len(hosts) == 0 {
		return nil, errors.New("grpclimit: authority has no hosts")
	}
	known := make(map[string]string, len(hosts))
	for i, host := range hosts {
		if host == "" {
			return nil, fmt.Errorf("grpclimit: authority: hosts[%d] is empty", i)
		}
		host = strings.ToLower(host)
		known[host] = "authority:" + host
	}
	return func(ctx context.Context, call Call) string {
		if call.Client {
			return ""
		}
		values := metadata.ValueFromIncomingContext(ctx, ":authority")
		if len(values) != 1 {
			return ""
		}
		return known[strings.ToLower(values[0])]
	}, nil
}

// valuesOf returns the values that go with the call.
func valuesOf(ctx context.Context, call Call, key string) []string {
	if call.Client {
		return metadata.ValueFromOutgoingContext(ctx, key)
	}
	return metadata.ValueFromIncomingContext(ctx, key)
}

// isKey reports whether key is one that gRPC sends.
func isKey(key string) bool {
	for _, c := range []byte(key) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune("-_.", rune(c)) {
			return false
		}
	}
	return key != ""
}
