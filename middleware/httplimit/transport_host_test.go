package httplimit_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

func TestHost(t *testing.T) {
	for link, want := range map[string]string{
		"http://example.com":                "host:example.com",
		"http://EXAMPLE.com./path":          "host:example.com",
		"http://user:pass@example.com:80/":  "host:example.com",
		"http://example.com:0080":           "host:example.com",
		"http://example.com:":               "host:example.com",
		"HTTPS://example.com:443":           "host:example.com",
		"http://example.com:443":            "host:example.com:443",
		"https://example.com:80":            "host:example.com:80",
		"https://example.com:8443":          "host:example.com:8443",
		"https://example.com.:08443":        "host:example.com:8443",
		"http://10.0.0.1:80":                "host:10.0.0.1",
		"http://[::ffff:10.0.0.1]":          "host:10.0.0.1",
		"http://[2001:DB8:0::1]":            "host:[2001:db8::1]",
		"http://[2001:db8::1]:8080":         "host:[2001:db8::1]:8080",
		"http://[fe80::1%25eth0]:8080":      "host:[fe80::1%eth0]:8080",
		"http://[2001:db8::1]:80":           "host:[2001:db8::1]",
		"http://BÜCHER.example":             "host:bücher.example",
		"ftp://example.com:80":              "host:example.com:80",
		"http:///path":                      "",
		"http://.":                          "",
		"/path":                             "",
		"http://example.com@evil.example":   "host:evil.example",
		"http://evil.example#example.com":   "host:evil.example",
		"http://example.com.evil.example:1": "host:example.com.evil.example:1",
	} {
		u, err := url.Parse(link)
		require.NoError(t, err, link)
		require.Equal(t, want, httplimit.Host(&http.Request{URL: u, Host: "other.example"}), link)
	}
	require.Empty(t, httplimit.Host(&http.Request{Host: "example.com"}))
	// A URL made by hand may contain anything; Host must not panic.
	for _, host := range []string{":", "]", "[", "::", "a:b:c", "[::1", "\x00", "%"} {
		httplimit.Host(&http.Request{URL: &url.URL{Host: host}})
	}
}
