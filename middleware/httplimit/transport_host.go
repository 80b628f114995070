package httplimit

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Host is the [Identity] that limits outgoing requests by the host that they are sent to,
// such as "host:api.example.com" or "host:[2001:db8::1]:8443". The host is in lower case,
// without a trailing dot, and without the port if that is the default of the URL's scheme.
// So all spellings of a host share one limit, with two exceptions: a name that is not
// ASCII differs from its xn-- form, and several names of one server differ.
//
// The identity is "" if the URL has no host.
func Host(r *http.Request) string {
	if r.URL == nil {
		return ""
	}
	host := strings.ToLower(strings.TrimSuffix(r.URL.Hostname(), "."))
	if host == "" {
		return ""
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		host = addr.Unmap().String()
	}
	port := strings.TrimLeft(r.URL.Port(), "0")
	if port == "" || port == defaultPorts[strings.ToLower(r.URL.Scheme)] {
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		return "host:" + host
	}
	return "host:" + net.JoinHostPort(host, port)
}

var defaultPorts = map[string]string{"http": "80", "https": "443"}
