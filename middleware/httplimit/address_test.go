package httplimit_test

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

func identityOf(t testing.TB, a httplimit.Address) httplimit.Identity {
	t.Helper()
	identity, err := a.Identity()
	require.NoError(t, err)
	return identity
}

// TestSpoofing checks each way to find an address against what clients and proxies write.
// The client is at 203.0.113.9, the proxies are in 10.0.0.0/8 and 2001:db8:f::/48 or at
// 192.168.7.7, and an attacker would like to pass for 6.6.6.6.
func TestSpoofing(t *testing.T) {
	const (
		client, proxy = "203.0.113.9:5000", "10.0.0.1:443"
		is, unknown   = "ip:203.0.113.9", ""
	)
	trusted := prefixes("10.0.0.0/8", "2001:db8:f::/48", "192.168.7.7/32")
	ids := map[string]httplimit.Identity{
		"peer":      httplimit.Peer,
		"xff":       identityOf(t, httplimit.Address{Trusted: trusted}),
		"forwarded": identityOf(t, httplimit.Address{Trusted: trusted, Header: "forwarded"}),
		"real":      identityOf(t, httplimit.Address{Trusted: trusted, Header: "X-Real-IP"}),
		"hops1":     identityOf(t, httplimit.Address{Hops: 1}),
		"hops2":     identityOf(t, httplimit.Address{Hops: 2}),
		"hops2f":    identityOf(t, httplimit.Address{Hops: 2, Header: "Forwarded"}),
	}
	xff := func(lines ...string) http.Header { return http.Header{"X-Forwarded-For": lines} }
	fwd := func(lines ...string) http.Header { return http.Header{"Forwarded": lines} }
	for i, test := range []struct {
		identity, peer string
		header         http.Header
		want           string
	}{
		// The peer alone.
		{"peer", client, nil, is},
		{"peer", client, xff("6.6.6.6"), is},
		{"peer", "[2001:db8:1:2:3:4:5:6]:80", nil, "ip:2001:db8:1:2::/64"},
		{"peer", "[2001:db8:1:2:ffff::]:80", nil, "ip:2001:db8:1:2::/64"},
		{"peer", "[::ffff:203.0.113.9]:80", nil, is},
		{"peer", "[fe80::1%eth0]:80", nil, "ip:fe80::/64"},
		{"peer", "[64:ff9b::203.0.113.9]:80", nil, is},
		{"peer", "[64:ff9b::1:203.0.113.9]:80", nil, "ip:64:ff9b::/64"},
		{"peer", "203.0.113.9", nil, is},
		{"peer", "@", nil, unknown},
		{"peer", "", nil, unknown},
		{"peer", "localhost:80", nil, unknown},

		// X-Forwarded-For, with proxies trusted by address.
		{"xff", client, nil, is},
		{"xff", client, xff("6.6.6.6"), is},
		{"xff", client, xff("6.6.6.6, 10.0.0.2"), is},
		{"xff", proxy, xff("203.0.113.9"), is},
		{"xff", proxy, xff("6.6.6.6, 203.0.113.9"), is},
		{"xff", proxy, xff("6.6.6.6, 64:ff9b::203.0.113.9"), is},
		{"xff", proxy, xff("6.6.6.6, 64:ff9b::10.0.0.2"), "ip:10.0.0.2"}, // not the address of a proxy
		{"xff", proxy, xff("6.6.6.6", "203.0.113.9"), is},
		{"xff", proxy, xff("6.6.6.6,203.0.113.9, 10.0.0.2"), is},
		{"xff", proxy, xff("6.6.6.6", "203.0.113.9", "10.0.0.3,10.0.0.2"), is},
		{"xff", proxy, xff("10.0.0.9, 6.6.6.6, 203.0.113.9, 10.0.0.2"), is},
		{"xff", proxy, xff("garbage, 203.0.113.9"), is},
		{"xff", proxy, xff("6.6.6.6, garbage"), unknown},
		{"xff", proxy, xff("6.6.6.6, unknown, 10.0.0.2"), unknown},
		{"xff", proxy, xff(`", 203.0.113.9`), is},
		{"xff", proxy, xff(`6.6.6.6, "203.0.113.9"`), unknown},
		{"xff", proxy, xff("203.0.113.9:4711"), is},
		{"xff", proxy, xff("203.0.113.9:99999"), unknown},
		{"xff", proxy, xff("203.0.113.9:"), unknown},
		{"xff", proxy, xff("203.0.113.09"), unknown},
		{"xff", proxy, xff("0xcb.0.0x71.9"), unknown},
		{"xff", proxy, xff("3405803785"), unknown},
		{"xff", proxy, xff("[203.0.113.9]"), unknown},
		{"xff", proxy, xff("::ffff:203.0.113.9"), is},
		{"xff", proxy, xff("[::ffff:203.0.113.9]:80"), is},
		{"xff", proxy, xff("6.6.6.6, ::ffff:10.0.0.2"), "ip:6.6.6.6"}, // the IPv6 form of a proxy is the proxy
		{"xff", proxy, xff("2001:db8:1:2:3:4:5:6"), "ip:2001:db8:1:2::/64"},
		{"xff", proxy, xff("[2001:db8:1:2:3:4:5:6]"), "ip:2001:db8:1:2::/64"},
		{"xff", proxy, xff("[2001:db8:1:2:3:4:5:6]:80"), "ip:2001:db8:1:2::/64"},
		{"xff", proxy, xff("2001:db8:1:2:3:4:5:6%eth0"), "ip:2001:db8:1:2::/64"},
		{"xff", proxy, xff("[2001:db8:1:2::"), unknown},
		{"xff", proxy, xff("203.0.113.9, 2001:db8:f:1::1%x"), is},
		{"xff", "[2001:db8:f::1]:443", xff("6.6.6.6, 203.0.113.9"), is},
		{"xff", "[::ffff:10.0.0.1]:443", xff("6.6.6.6, 203.0.113.9"), is},
		{"xff", proxy, xff(" 203.0.113.9\t, ,,"), is},
		{"xff", proxy, xff("203.0.113.9", "", " "), is},
		{"xff", proxy, xff("203.0.113.9 6.6.6.6"), unknown},
		{"xff", proxy, xff("203.0.113.9\x00"), unknown},
		{"xff", proxy, nil, "ip:10.0.0.1"},
		{"xff", proxy, xff(",, ,"), "ip:10.0.0.1"},
		{"xff", proxy, xff("10.0.0.3, 10.0.0.2"), "ip:10.0.0.3"},
		{"xff", proxy, fwd("for=6.6.6.6"), "ip:10.0.0.1"},
		{"xff", "192.168.7.8:1", xff("6.6.6.6"), "ip:192.168.7.8"},
		{"xff", "@", xff("6.6.6.6"), unknown},
		{"xff", proxy, xff(strings.Repeat("6.6.6.6, ", 10_000) + "203.0.113.9"), is},
		{"xff", proxy, xff("6.6.6.6, " + strings.Repeat("10.0.0.2, ", 62) + "10.0.0.2"), "ip:6.6.6.6"},
		{"xff", proxy, xff("6.6.6.6, " + strings.Repeat("10.0.0.2, ", 63) + "10.0.0.2"), unknown},

		// Forwarded.
		{"forwarded", client, fwd("for=6.6.6.6"), is},
		{"forwarded", proxy, xff("6.6.6.6"), "ip:10.0.0.1"},
		{"forwarded", proxy, fwd("for=203.0.113.9"), is},
		{"forwarded", proxy, fwd("for=6.6.6.6, For=203.0.113.9;proto=https;by=10.0.0.1"), is},
		{"forwarded", proxy, fwd("for=6.6.6.6", `proto=http;FOR="203.0.113.9:80"`), is},
		{"forwarded", proxy, fwd(`for=", for=203.0.113.9`), is}, // an open quote hides nothing
		{"forwarded", proxy, fwd(`for="`, `for=203.0.113.9`), is},
		{"forwarded", proxy, fwd(`for="x\`, `for=203.0.113.9`), is},
		{"forwarded", proxy, fwd(`for=203.0.113.9;host="a, for=6.6.6.6"`), is},
		{"forwarded", proxy, fwd(`for=203.0.113.9;host="a\", for=6.6.6.6;x=\"b"`), is},
		{"forwarded", proxy, fwd(`for=203.0.113.9;host="a\\"`), is},
		{"forwarded", proxy, fwd(`host="for=6.6.6.6";for=203.0.113.9`), is},
		{"forwarded", proxy, fwd(`for=6.6.6.6, ;for=203.0.113.9; ;;proto=https;`), is}, // pairs may be empty
		{"forwarded", proxy, fwd(`for=6.6.6.6, ;;`), unknown},
		{"forwarded", proxy, fwd(`for=203.0.113.9;for=6.6.6.6`), unknown},
		{"forwarded", proxy, fwd(`for=6.6.6.6, for=unknown`), unknown},
		{"forwarded", proxy, fwd(`for=6.6.6.6, for=_hidden`), unknown},
		{"forwarded", proxy, fwd(`for=6.6.6.6, proto=https`), unknown},
		{"forwarded", proxy, fwd(`for=6.6.6.6, for`), unknown},
		{"forwarded", proxy, fwd(`for=6.6.6.6, for=`), unknown},
		{"forwarded", proxy, fwd(`for=6.6.6.6, 203.0.113.9`), unknown},
		{"forwarded", proxy, fwd(`for=6.6.6.6"`), unknown},
		{"forwarded", proxy, fwd(`for="6.6.6.6"x;by=a`), unknown},
		{"forwarded", proxy, fwd(`for="[2001:db8:1:2::17]:4711"`), "ip:2001:db8:1:2::/64"},
		{"forwarded", proxy, fwd(`for="[2001:db8:1:2::17]"`), "ip:2001:db8:1:2::/64"},
		{"forwarded", proxy, fwd(`for="203\.0.113\.9"`), is},
		{"forwarded", proxy, fwd(`for=203.0.113.9, for="10.0.0.2:_port"`), unknown},
		{"forwarded", proxy, fwd(`for=203.0.113.9;host="` + strings.Repeat("a", 4000) + `"`), is},
		{"forwarded", proxy, fwd(`for=203.0.113.9;host="` + strings.Repeat("a", 5000) + `"`), unknown},
		{"forwarded", proxy, fwd(strings.Repeat(`for="6.6.6.6",`, 10_000) + "for=203.0.113.9"), is},

		// Another field.
		{"real", client, http.Header{"X-Real-Ip": {"6.6.6.6"}}, is},
		{"real", proxy, http.Header{"X-Real-Ip": {"203.0.113.9"}, "X-Forwarded-For": {"6.6.6.6"}}, is},

		// A known number of proxies.
		{"hops1", proxy, xff("6.6.6.6, 203.0.113.9"), is},
		{"hops1", proxy, xff("6.6.6.6", "203.0.113.9"), is},
		{"hops1", proxy, nil, unknown},
		{"hops1", proxy, xff("6.6.6.6, garbage"), unknown},
		{"hops2", proxy, xff("6.6.6.6, 203.0.113.9, 10.0.0.2"), is},
		{"hops2", proxy, xff("6.6.6.6, 203.0.113.9", "10.0.0.2"), is},
		{"hops2", proxy, xff("203.0.113.9, unknown"), is},
		{"hops2", proxy, xff("6.6.6.6"), unknown},
		{"hops2", proxy, xff(", 6.6.6.6,"), unknown},
		{"hops2f", proxy, fwd(`for=6.6.6.6, for=203.0.113.9, for=10.0.0.2;host=","`), is},
	} {
		r := &http.Request{RemoteAddr: test.peer, Header: test.header}
		before := test.header.Clone()
		require.Equal(t, test.want, ids[test.identity](r), "row %d: %s, %s, %.80q", i, test.identity, test.peer, test.header)
		require.Equal(t, before, test.header)
	}
}

// TestKeysAreNoAddresses checks that no header field, user name or context value can be
// made to give the identity of an address, or of another of these kinds.
func TestKeysAreNoAddresses(t *testing.T) {
	victim := httplimit.Peer(request())
	require.Equal(t, "ip:192.0.2.1", victim)
	key, err := httplimit.Header("X-API-Key")
	require.NoError(t, err)
	short, err := httplimit.Header("X")
	require.NoError(t, err)
	tenant, err := httplimit.ContextValue("tenant", tenantKey{})
	require.NoError(t, err)
	for _, text := range []string{victim, "192.0.2.1", ":" + victim, "user:a", "api-key:k", "\x00" + victim} {
		with := request(with("X-Api-Key", text), with("X", text), func(r *http.Request) { r.SetBasicAuth(text, "") },
			func(r *http.Request) { *r = *r.WithContext(context.WithValue(t.Context(), tenantKey{}, text)) })
		seen := map[string]bool{victim: true}
		for _, identity := range []httplimit.Identity{key, short, tenant, httplimit.BasicAuth} {
			got := identity(with)
			require.False(t, seen[got], got)
			seen[got] = got != ""
		}
	}
}

func TestAddressBits(t *testing.T) {
	a := identityOf(t, httplimit.Address{IPv4Bits: 24, IPv6Bits: 48})
	require.Equal(t, "ip:203.0.113.0/24", a(&http.Request{RemoteAddr: "203.0.113.9:1"}))
	require.Equal(t, "ip:203.0.113.0/24", a(&http.Request{RemoteAddr: "[::ffff:203.0.113.9]:1"}))
	require.Equal(t, "ip:2001:db8:1::/48", a(&http.Request{RemoteAddr: "[2001:db8:1:2::9]:1"}))
	a = identityOf(t, httplimit.Address{IPv6Bits: 128})
	require.Equal(t, "ip:2001:db8:1:2::9", a(&http.Request{RemoteAddr: "[2001:db8:1:2::9]:1"}))
	require.Equal(t, "ip:203.0.113.9", a(&http.Request{RemoteAddr: "203.0.113.9:1"}))
}

// Trusted prefixes may be in IPv6 form and have host bits set. They are copied.
func TestTrustedIsNormalised(t *testing.T) {
	a := identityOf(t, httplimit.Address{Trusted: prefixes("::ffff:10.1.2.3/104")})
	r := &http.Request{RemoteAddr: "10.9.9.9:1", Header: http.Header{"X-Forwarded-For": {"203.0.113.9"}}}
	require.Equal(t, "ip:203.0.113.9", a(r))
	trusted := prefixes("10.0.0.0/8")
	a = identityOf(t, httplimit.Address{Trusted: trusted})
	trusted[0] = netip.MustParsePrefix("192.0.2.0/24")
	require.Equal(t, "ip:203.0.113.9", a(r), "it is a copy")
}

func TestBadAddress(t *testing.T) {
	for want, a := range map[string]httplimit.Address{
		"Hops is -1":                         {Hops: -1},
		"Trusted and Hops are both set":      {Hops: 1, Trusted: prefixes("10.0.0.0/8")},
		`Header is "a b"`:                    {Hops: 1, Header: "a b"},
		`Header is "X-Real-Ip", but neither`: {Header: "X-Real-Ip"},
		`Header is "host": it does not`:      {Hops: 1, Header: "host"},
		"IPv4Bits is 33":                     {IPv4Bits: 33},
		"IPv4Bits is -1":                     {IPv4Bits: -1},
		"IPv6Bits is 129":                    {IPv6Bits: 129},
		"IPv6Bits is -1":                     {IPv6Bits: -1},
		"Trusted[1] is invalid Prefix":       {Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), {}}},
		"Trusted[0] is 0.0.0.0/0":            {Trusted: prefixes("0.0.0.0/0")},
		"Trusted[0] is ::/0":                 {Trusted: prefixes("::/0")},
		"Trusted[0] is ::ffff:0.0.0.0/96":    {Trusted: prefixes("::ffff:0.0.0.0/96")},
	} {
		_, err := a.Identity()
		require.ErrorContains(t, err, "httplimit: Address: "+want)
		_, err = a.Walk()
		require.ErrorContains(t, err, "httplimit: Address: "+want)
	}
}

// FuzzWalk checks that the client is found whatever it writes to the left of what a
// trusted proxy wrote, and that nothing panics whoever writes the field.
func FuzzWalk(f *testing.F) {
	f.Add(`6.6.6.6, for="`, "", "x")
	f.Add(`"\`, `a", for=6.6.6.6`, `,;="\`)
	f.Add("for=6.6.6.6;host=\"", "::1%a", "[::1]:2")
	trusted := prefixes("10.0.0.0/8")
	xff, err := httplimit.Address{Trusted: trusted}.Walk()
	require.NoError(f, err)
	forwarded, err := httplimit.Address{Trusted: trusted, Header: "Forwarded"}.Walk()
	require.NoError(f, err)
	hops, err := httplimit.Address{Hops: 2, Header: "Forwarded"}.Walk()
	require.NoError(f, err)
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	f.Fuzz(func(t *testing.T, left, line, host string) {
		host = host[:min(len(host), 1000)] // so that the element is not too long
		const is = "ip:203.0.113.9"
		require.Equal(t, is, xff("10.0.0.1:80", []string{line, left + ", 203.0.113.9, 10.0.0.2"}))
		require.Equal(t, is, xff("203.0.113.9:80", []string{line, left}))
		element := fmt.Sprintf(`for="203.0.113.9:1";host="%s"`, quote.Replace(host))
		require.Equal(t, is, forwarded("10.0.0.1:80", []string{line, left + ", " + element}))
		require.Equal(t, is, forwarded("10.0.0.1:80", []string{line, left + "," + element + ",for=10.0.0.2"}))
		require.Equal(t, is, hops("10.0.0.1:80", []string{line, left + "," + element, element}))

		for _, walk := range []func(string, []string) string{xff, forwarded, hops} {
			got := walk("10.0.0.1:80", []string{line, left})
			require.True(t, got == "" || strings.HasPrefix(got, "ip:"))
			walk(left, []string{line, host})
		}
	})
}
