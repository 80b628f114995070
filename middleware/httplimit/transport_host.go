package httplimit

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Host is the [Identity] of an outgoing request by the host that it is sent to, such
// as "host:api.example.com" or "host:[2001:db8::1]:8443": in lower case, without a dot
// in the end and without the port that is its scheme's default. So no way of writing
// the URL gets another limit, but for names that are not ASCII and that one may also
// write in their xn-- form, and for several names of one server.
//
// It is "" where the URL has no host.
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
