package grpclimit

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/metadata"
)

// Metadata limits by the value of a metadata key, such as an API key:
// "metadata:<key>:<value>". At a server it reads the metadata that came with the call. At
// a client it reads the metadata that goes with the call, except for what credentials of
// the connection add. The values of keys ending in "-bin" are bytes, which are used as
// they are.
//
// Clients can write any value. Let an earlier interceptor check it, or a client gets a
// fresh limit for each value that it makes up. The identity is unknown if the value is
// missing or empty. It is also unknown if there are several values, even equal ones,
// because the code that checks one might mean another.
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

// Authority limits by the name that the client calls the server by, if the server has
// several: "authority:<host>". Since clients can write any name, the identity is known
// only if the name is one of hosts, such as "api.example" or "api.example:8443", in upper
// or lower case. It is unknown at a client; see [Target].
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

// valuesOf returns the values of a metadata key that go with the call.
func valuesOf(ctx context.Context, call Call, key string) []string {
	if call.Client {
		return metadata.ValueFromOutgoingContext(ctx, key)
	}
	return metadata.ValueFromIncomingContext(ctx, key)
}

// isKey reports whether key is a key that gRPC sends.
func isKey(key string) bool {
	for _, c := range []byte(key) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune("-_.", rune(c)) {
			return false
		}
	}
	return key != ""
}
