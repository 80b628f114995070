package fiberlimit_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/middleware/fiberlimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

// peerListener is a listener whose connections appear to come from peer.
type peerListener struct {
	net.Listener
	peer net.Addr
}

func (l peerListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return peerConn{c, l.peer}, err
}

type peerConn struct {
	net.Conn
	peer net.Addr
}

func (c peerConn) RemoteAddr() net.Addr { return c.peer }
func (c peerConn) LocalAddr() net.Addr  { return c.peer } // only its network matters

type named struct{ network, text string }

func (n named) Network() string { return n.network }
func (n named) String() string  { return n.text }

// servers are the addresses of three servers that answer every request with its identity:
// one on net/http, one on Fiber, and one on Fiber without normalised header names.
type servers struct{ theirs, ours, raw string }

func serveIdentity(t *testing.T, peer net.Addr, theirs httplimit.Identity, ours fiberlimit.Identity) servers {
	t.Helper()
	listen := func() net.Listener {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		if peer == nil {
			return listener
		}
		return peerListener{listener, peer}
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := context.WithValue(r.Context(), tenantKey{}, r.Header.Get("Tenant"))
		io.WriteString(w, theirs(r.WithContext(ctx)))
	}))
	server.Listener.Close()
	server.Listener = listen()
	server.Start()
	t.Cleanup(server.Close)
	at := func(config fiber.Config) string {
		app := fiber.New(config)
		app.Use(func(c fiber.Ctx) error {
			c.Locals(tenantKey{}, c.Get("Tenant"))
			return c.SendString(ours(c))
		})
		listener := listen()
		serveAt(t, app, listener)
		return listener.Addr().String()
	}
	// With this, Fiber itself would believe X-Forwarded-For.
	trusting := fiber.Config{TrustProxy: true, TrustProxyConfig: fiber.TrustProxyConfig{Loopback: true}, ProxyHeader: fiber.HeaderXForwardedFor}
	return servers{server.Listener.Addr().String(), at(trusting), at(fiber.Config{DisableHeaderNormalizing: true})}
}

type tenantKey struct{}

// TestSameIdentities checks, for each kind of identity, that what clients and proxies
// write on the wire gives httplimit's identity. All requests come from the proxy at
// 127.0.0.1. An attacker would like to pass for 6.6.6.6.
func TestSameIdentities(t *testing.T) {
	const is, unknown = "ip:203.0.113.9", ""
	trusted := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
	at := map[string]servers{}
	address := func(name string, a httplimit.Address) {
		at[name] = serveIdentity(t, nil, must(a.Identity()), must(fiberlimit.Address(a)))
	}
	address("xff", httplimit.Address{Trusted: trusted})
	address("untrusted", httplimit.Address{Trusted: trusted[1:]})
	address("forwarded", httplimit.Address{Trusted: trusted, Header: "forwarded"})
	address("real", httplimit.Address{Trusted: trusted, Header: "X-Real-IP"})
	address("hops1", httplimit.Address{Hops: 1})
	address("hops2", httplimit.Address{Hops: 2})
	at["peer"] = serveIdentity(t, nil, httplimit.Peer, fiberlimit.Peer)
	at["key"] = serveIdentity(t, nil, must(httplimit.Header("X-API-Key")), must(fiberlimit.Header("X-API-Key")))
	at["user"] = serveIdentity(t, nil, httplimit.BasicAuth, fiberlimit.BasicAuth)
	at["tenant"] = serveIdentity(t, nil, must(httplimit.ContextValue("tenant", tenantKey{})), must(fiberlimit.Local("tenant", tenantKey{})))
	at["first"] = serveIdentity(t, nil, httplimit.First(httplimit.BasicAuth, httplimit.Peer), fiberlimit.First(fiberlimit.BasicAuth, fiberlimit.Peer))
	at["all"] = serveIdentity(t, nil, httplimit.All(httplimit.BasicAuth, httplimit.Peer), fiberlimit.All(fiberlimit.BasicAuth, fiberlimit.Peer))

	xff := func(lines ...string) string {
		return "X-Forwarded-For: " + strings.Join(lines, "\r\nX-Forwarded-For: ") + "\r\n"
	}
	fwd := func(lines ...string) string { return "Forwarded: " + strings.Join(lines, "\r\nForwarded: ") + "\r\n" }
	for i, test := range []struct{ identity, fields, want string }{
		{"peer", "", "ip:127.0.0.1"},
		{"peer", xff("6.6.6.6") + "X-Real-Ip: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n", "ip:127.0.0.1"},
		{"untrusted", xff("6.6.6.6"), "ip:127.0.0.1"},
		{"untrusted", xff("6.6.6.6, 10.0.0.1"), "ip:127.0.0.1"},

		{"xff", "", "ip:127.0.0.1"},
		{"xff", xff("203.0.113.9"), is},
		{"xff", xff("6.6.6.6, 203.0.113.9"), is},
		{"xff", xff("6.6.6.6", "203.0.113.9"), is},
		{"xff", xff("6.6.6.6,203.0.113.9, 10.0.0.2"), is},
		{"xff", xff("6.6.6.6", "203.0.113.9", "10.0.0.3,10.0.0.2"), is},
		{"xff", "x-forwarded-for: 6.6.6.6\r\nX-FORWARDED-FOR: 203.0.113.9\r\n", is},
		{"xff", "X-Forwarded-For: 6.6.6.6\r\nx-forwarded-for: 203.0.113.9\r\n", is},
		{"xff", xff("203.0.113.9") + "X_Forwarded_For: 6.6.6.6\r\n", is},
		{"xff", xff("203.0.113.9") + "X-Forwarded-Fo: 6.6.6.6\r\nX-Forwarded-For2: 6.6.6.6\r\n", is},
		{"xff", xff("203.0.113.9") + "Forwarded: for=6.6.6.6\r\nX-Real-Ip: 6.6.6.6\r\n", is},
		{"xff", xff("garbage, 203.0.113.9"), is},
		{"xff", xff("6.6.6.6, garbage"), unknown},
		{"xff", xff("6.6.6.6, unknown, 10.0.0.2"), unknown},
		{"xff", xff(`", 203.0.113.9`), is},
		{"xff", xff(`6.6.6.6, "203.0.113.9"`), unknown},
		{"xff", xff("203.0.113.9:4711"), is},
		{"xff", xff("203.0.113.09"), unknown},
		{"xff", xff("3405803785"), unknown},
		{"xff", xff("::ffff:203.0.113.9"), is},
		{"xff", xff("[2001:db8:1:2:3:4:5:6]:80"), "ip:2001:db8:1:2::/64"},
		{"xff", xff("2001:db8:1:2:3:4:5:6%eth0"), "ip:2001:db8:1:2::/64"},
		{"xff", xff("6.6.6.6, ::ffff:10.0.0.2"), "ip:6.6.6.6"},
		{"xff", xff(" 203.0.113.9\t, ,,"), is},
		{"xff", xff("203.0.113.9", "", " "), is},
		{"xff", xff("203.0.113.9 6.6.6.6"), unknown},
		{"xff", xff("203.0.113.9\r\n , 6.6.6.6"), "ip:6.6.6.6"}, // one line, continued
		{"xff", xff(strings.Repeat("6.6.6.6, ", 300) + "203.0.113.9"), is},
		{"xff", xff(strings.Repeat("6.6.6.6\r\nX-Forwarded-For: ", 70) + "203.0.113.9"), is},
		{"xff", xff("6.6.6.6, " + strings.Repeat("10.0.0.2, ", 80) + "10.0.0.2"), unknown},

		{"forwarded", xff("6.6.6.6"), "ip:127.0.0.1"},
		{"forwarded", fwd("for=6.6.6.6, For=203.0.113.9;proto=https;by=10.0.0.1"), is},
		{"forwarded", fwd("for=6.6.6.6", `proto=http;FOR="203.0.113.9:80"`), is},
		{"forwarded", fwd(`for=", for=203.0.113.9`), is},
		{"forwarded", fwd(`for="x\`, `for=203.0.113.9`), is},
		{"forwarded", fwd(`for=6.6.6.6, for=_hidden`), unknown},

		{"real", "X-Real-Ip: 203.0.113.9\r\n" + xff("6.6.6.6"), is},
		{"hops1", xff("6.6.6.6", "203.0.113.9"), is},
		{"hops1", "", unknown},
		{"hops2", xff("6.6.6.6, 203.0.113.9", "10.0.0.2"), is},
		{"hops2", xff("6.6.6.6"), unknown},

		{"key", "X-API-Key: k\r\n", "header:x-api-key:k"},
		{"key", "x-api-key:  k \t\r\n", "header:x-api-key:k"},
		{"key", "X-API-Key: ip:203.0.113.9\r\n", "header:x-api-key:ip:203.0.113.9"},
		{"key", "X-API-Key: \xff\xfe\r\n", "header:x-api-key:\xff\xfe"},
		{"key", "X-API-Key: a\r\nX-Api-Key: b\r\n", unknown},
		{"key", "X-API-Key: a\r\nX-API-KEY: a\r\nx-api-key: a\r\n", unknown},
		{"key", "X-API-Key:\r\n", unknown},
		{"key", "", unknown},

		{"user", "Authorization: Basic YWxpY2U6c2VjcmV0\r\n", "user:alice"},
		{"user", "authorization: bAsIc YWxpY2U6c2VjcmV0\r\n", "user:alice"},
		{"user", "Authorization: Basic YWxpY2U6c2VjcmV0\r\nAuthorization: Basic Ym9iOg==\r\n", "user:alice"},
		{"user", "Authorization: Bearer YWxpY2U6c2VjcmV0\r\n", unknown},
		{"user", "Authorization: Basic YWxpY2U\r\n", unknown},
		{"user", "Authorization: Basic OnNlY3JldA==\r\n", unknown},
		{"user", "", unknown},

		{"tenant", "Tenant: acme\r\n", "value:tenant:acme"},
		{"tenant", "", unknown},
		{"first", "Authorization: Basic YWxpY2U6c2VjcmV0\r\n", "first0:user:alice"},
		{"first", "", "first1:ip:127.0.0.1"},
		{"all", "Authorization: Basic YWxpY2U6c2VjcmV0\r\n", "all:10:user:alice12:ip:127.0.0.1"},
		{"all", "", unknown},
	} {
		for _, server := range []string{at[test.identity].theirs, at[test.identity].ours, at[test.identity].raw} {
			got := identityAt(t, server, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"+test.fields+"\r\n")
			require.Equal(t, test.want, got, "row %d: %s %.80q", i, test.identity, test.fields)
		}
	}

	// Trailers, which come after a chunked body, must not count as header fields: the
	// client wrote them, not a proxy.
	for name, field := range map[string]string{"forwarded": "Forwarded: for=6.6.6.6", "key": "X-API-Key: other"} {
		fields := map[string]string{"forwarded": fwd("for=203.0.113.9"), "key": "X-API-Key: k\r\n"}[name]
		want := map[string]string{"forwarded": is, "key": "header:x-api-key:k"}[name]
		for _, trailer := range []string{"", "Trailer: Forwarded, X-API-Key\r\n"} {
			for _, server := range []string{at[name].theirs, at[name].ours, at[name].raw} {
				require.Equal(t, want, identityAt(t, server, "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"+
					trailer+fields+"\r\n1\r\nx\r\n0\r\n"+field+"\r\n\r\n"))
			}
		}
	}
}

// identityAt sends text, which is a whole request, and returns the identity that the
// server answers.
func identityAt(t *testing.T, addr, text string) string {
	t.Helper()
	w := exchange(t, addr, func(w io.Writer) error { _, err := io.WriteString(w, text); return err }, nil)
	body, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, w.StatusCode, "%.80q: %s", text, body)
	return string(body)
}

// TestPeers checks that peers of any network have the identity that httplimit gives them.
func TestPeers(t *testing.T) {
	narrow := httplimit.Address{IPv4Bits: 24, IPv6Bits: 48}
	for _, test := range []struct {
		peer         net.Addr
		want, narrow string
	}{
		{&net.TCPAddr{IP: net.IPv4(203, 0, 113, 9), Port: 80}, "ip:203.0.113.9", "ip:203.0.113.0/24"},
		{&net.TCPAddr{IP: net.ParseIP("2001:db8:1:2:3::4"), Port: 80}, "ip:2001:db8:1:2::/64", "ip:2001:db8:1::/48"},
		{&net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0", Port: 80}, "ip:fe80::/64", "ip:fe80::/48"},
		{named{"tcp", "203.0.113.9:80"}, "ip:203.0.113.9", "ip:203.0.113.0/24"},
		{named{"unix", "203.0.113.9:80"}, "", ""}, // a name that the client chose
		{named{"unix", "@"}, "", ""},
		{named{"unix", ""}, "", ""},
	} {
		s := serveIdentity(t, test.peer, httplimit.Peer, fiberlimit.Peer)
		n := serveIdentity(t, test.peer, must(narrow.Identity()), must(fiberlimit.Address(narrow)))
		const get = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n"
		require.Equal(t, test.want, identityAt(t, s.theirs, get), test.peer)
		require.Equal(t, test.want, identityAt(t, s.ours, get), test.peer)
		require.Equal(t, test.narrow, identityAt(t, n.theirs, get), test.peer)
		require.Equal(t, test.narrow, identityAt(t, n.ours, get), test.peer)
	}
}

type userID int

type ulid [2]byte

func (u ulid) String() string { return string(u[:]) }

func TestLocal(t *testing.T) {
	identity := must(fiberlimit.Local("user", "id"))
	for _, test := range []struct {
		value any
		want  string
	}{
		{"a", "value:user:a"},
		{userID(42), "value:user:42"},
		{uint8(7), "value:user:7"},
		{ulid{'x', 'y'}, "value:user:xy"},
		{"", ""},
		{nil, ""},
		{(*time.Time)(nil), ""},
		{3.5, ""},
	} {
		addr := serve(t, chain(func(c fiber.Ctx) error {
			c.Locals("id", test.value)
			return c.SendString(identity(c))
		}))
		_, body := send(t, addr, request(http.MethodGet, "/"))
		require.Equal(t, test.want, body)
	}
}

func TestBadIdentities(t *testing.T) {
	for want, err := range map[string]error{
		`fiberlimit: header is "a b": must be`:             second(fiberlimit.Header("a b")),
		`fiberlimit: header is "": must be`:                second(fiberlimit.Header("")),
		`fiberlimit: name of a context value is "": must`:  second(fiberlimit.Local("", "k")),
		`fiberlimit: key of context value "a" is nil`:      second(fiberlimit.Local("a", nil)),
		`fiberlimit: key of context value "a" is of type`:  second(fiberlimit.Local("a", []int{})),
		`fiberlimit: httplimit: Address: Hops is -1: must`: second(fiberlimit.Address(httplimit.Address{Hops: -1})),
	} {
		require.ErrorContains(t, err, want)
	}
	require.Nil(t, fiberlimit.First())
	require.Nil(t, fiberlimit.All(fiberlimit.Peer, nil))
}

func second[T any](_ T, err error) error { return err }
