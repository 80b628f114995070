package grpclimit_test

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"pgregory.net/rapid"

	"github.com/distributed-rate-limiter/ratelimit/middleware/grpclimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

// addr is an address of any network.
type addr struct{ network, text string }

func (a addr) Network() string { return a.network }
func (a addr) String() string  { return a.text }

func tcp(text string) net.Addr {
	a, err := net.ResolveTCPAddr("tcp", text)
	if err != nil {
		panic(err)
	}
	return a
}

func must(identity grpclimit.Identity, err error) grpclimit.Identity {
	if err != nil {
		panic(err)
	}
	return identity
}

// TestSpoofing checks that, whatever a client sends, it is limited as what it is or is
// unknown.
func TestSpoofing(t *testing.T) {
	key := must(grpclimit.Metadata("X-API-Key"))
	binary := must(grpclimit.Metadata("key-bin"))
	authority := must(grpclimit.Authority("api.example", "API.example:8443"))
	trusted := httplimit.Address{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}
	address := must(grpclimit.Address(trusted))
	hop := must(grpclimit.Address(httplimit.Address{Hops: 1}))
	fields := trusted
	fields.Header = "Forwarded"
	forwarded := must(grpclimit.Address(fields))
	wide := must(grpclimit.Address(httplimit.Address{IPv4Bits: 24, IPv6Bits: 48}))
	xff := func(lines ...string) metadata.MD { return metadata.MD{"x-forwarded-for": lines} }
	proxy := tcp("10.0.0.1:1")
	first := grpclimit.First(key, grpclimit.Peer)
	all := grpclimit.All(key, grpclimit.Peer)

	for _, test := range []struct {
		name     string
		identity grpclimit.Identity
		peer     net.Addr
		md       metadata.MD
		want     string
	}{
		{"IPv4", grpclimit.Peer, tcp("192.0.2.1:1"), nil, "ip:192.0.2.1"},
		{"OtherPort", grpclimit.Peer, tcp("192.0.2.1:65535"), nil, "ip:192.0.2.1"},
		{"IPv6", grpclimit.Peer, tcp("[2001:db8:1:2:3:4:5:6]:1"), nil, "ip:2001:db8:1:2::/64"},
		{"OtherOfIts64", grpclimit.Peer, tcp("[2001:db8:1:2:ffff::1]:1"), nil, "ip:2001:db8:1:2::/64"},
		{"Mapped", grpclimit.Peer, &net.TCPAddr{IP: net.ParseIP("192.0.2.1").To16(), Port: 1}, nil, "ip:192.0.2.1"},
		{"MappedText", grpclimit.Peer, addr{"tcp", "[::ffff:192.0.2.1]:1"}, nil, "ip:192.0.2.1"},
		{"MappedHex", grpclimit.Peer, addr{"tcp", "[::ffff:c000:201]:1"}, nil, "ip:192.0.2.1"},
		{"Zone", grpclimit.Peer, &net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0"}, nil, "ip:fe80::/64"},
		{"OtherZone", grpclimit.Peer, addr{"tcp", "[fe80::2%en1]:2"}, nil, "ip:fe80::/64"},
		{"QUIC", grpclimit.Peer, &net.UDPAddr{IP: net.ParseIP("192.0.2.1"), Port: 1}, nil, "ip:192.0.2.1"},
		{"ServeHTTP", grpclimit.Peer, addr{"tcp", "192.0.2.1:1"}, nil, "ip:192.0.2.1"},
		{"NoPort", grpclimit.Peer, addr{"tcp", "192.0.2.1"}, nil, "ip:192.0.2.1"},
		{"ServeHTTPWithoutAddress", grpclimit.Peer, addr{"", ""}, nil, ""},
		{"NoPeer", grpclimit.Peer, nil, nil, ""},
		{"NilAddress", grpclimit.Peer, (*net.TCPAddr)(nil), nil, ""},
		{"EmptyAddress", grpclimit.Peer, &net.TCPAddr{}, nil, ""},
		{"UnixSocket", grpclimit.Peer, &net.UnixAddr{Net: "unix"}, nil, ""},
		{"UnixSocketNamedLikeAnAddress", grpclimit.Peer, &net.UnixAddr{Net: "unix", Name: "192.0.2.1:1"}, nil, ""},
		{"InMemory", grpclimit.Peer, addr{"bufconn", "bufconn"}, nil, ""},
		{"Pipe", grpclimit.Peer, addr{"pipe", "192.0.2.1:1"}, nil, ""},
		{"Octal", grpclimit.Peer, addr{"tcp", "0192.0.2.1:1"}, nil, ""},
		{"ForwardedIsNotBelieved", grpclimit.Peer, tcp("192.0.2.1:1"), metadata.Pairs("x-forwarded-for", "198.51.100.1"), "ip:192.0.2.1"},
		{"RealIPIsNotBelieved", grpclimit.Peer, tcp("192.0.2.1:1"), metadata.Pairs("x-real-ip", "198.51.100.1", "forwarded", "for=198.51.100.1"), "ip:192.0.2.1"},

		{"Wide4", wide, tcp("192.0.2.77:1"), xff("198.51.100.1"), "ip:192.0.2.0/24"},
		{"Wide6", wide, tcp("[2001:db8:1:2::1]:1"), nil, "ip:2001:db8:1::/48"},
		{"Forwarded", address, proxy, xff("198.51.100.1"), "ip:198.51.100.1"},
		{"ForwardedIPv6", address, tcp("[fd00::1]:1"), xff("2001:db8:1:2::9"), "ip:2001:db8:1:2::/64"},
		{"ForwardedByMappedProxy", address, addr{"tcp", "[::ffff:10.0.0.1]:1"}, xff("198.51.100.1"), "ip:198.51.100.1"},
		{"ForwardedByStranger", address, tcp("192.0.2.1:1"), xff("198.51.100.1"), "ip:192.0.2.1"},
		{"ForwardedOnUnixSocket", address, &net.UnixAddr{Net: "unix", Name: "10.0.0.1:1"}, xff("198.51.100.1"), ""},
		{"ForwardedWithoutPeer", address, nil, xff("198.51.100.1"), ""},
		{"Leftmost", address, proxy, xff("198.51.100.1, 203.0.113.1"), "ip:203.0.113.1"},
		{"OtherLine", address, proxy, xff("198.51.100.1", "203.0.113.1"), "ip:203.0.113.1"},
		{"ThroughGatewayWithMetadataHeader", address, proxy, xff("198.51.100.1", "198.51.100.2, 203.0.113.1"), "ip:203.0.113.1"},
		{"TwoProxies", address, proxy, xff("198.51.100.1, 203.0.113.1, 10.0.0.2"), "ip:203.0.113.1"},
		{"TwoProxiesTwoLines", address, proxy, xff("203.0.113.1", "10.0.0.2"), "ip:203.0.113.1"},
		{"PretendsToBeProxy", address, proxy, xff("198.51.100.1, 10.0.0.9, 203.0.113.1"), "ip:203.0.113.1"},
		{"Garbage", address, proxy, xff("198.51.100.1, nonsense"), ""},
		{"NothingForwarded", address, proxy, nil, "ip:10.0.0.1"},
		{"OtherField", address, proxy, metadata.Pairs("x-real-ip", "198.51.100.1"), "ip:10.0.0.1"},
		{"Hop", hop, addr{"bufconn", "bufconn"}, xff("198.51.100.1, 203.0.113.1"), "ip:203.0.113.1"},
		{"NoHop", hop, addr{"bufconn", "bufconn"}, nil, ""},
		{"RFC7239", forwarded, proxy, metadata.Pairs("forwarded", `for=198.51.100.1, for="[2001:db8:1:2::9]:4711";proto=https`), "ip:2001:db8:1:2::/64"},
		{"RFC7239ByOtherField", forwarded, proxy, xff("198.51.100.1"), "ip:10.0.0.1"},

		{"Key", key, nil, metadata.Pairs("x-api-key", "alice"), "metadata:x-api-key:alice"},
		{"KeyInCapitals", key, nil, metadata.MD{"X-Api-Key": {"alice"}}, "metadata:x-api-key:alice"},
		{"KeyLikeAnAddress", key, nil, metadata.Pairs("x-api-key", "ip:192.0.2.1"), "metadata:x-api-key:ip:192.0.2.1"},
		{"TwoKeys", key, nil, metadata.Pairs("x-api-key", "alice", "x-api-key", "bob"), ""},
		{"TwoEqualKeys", key, nil, metadata.Pairs("x-api-key", "alice", "x-api-key", "alice"), ""},
		{"KeyAndEmptyKey", key, nil, metadata.Pairs("x-api-key", "alice", "x-api-key", ""), ""},
		{"EmptyKey", key, nil, metadata.Pairs("x-api-key", ""), ""},
		{"NoKey", key, tcp("192.0.2.1:1"), metadata.Pairs("x-api-key-2", "alice"), ""},
		{"NoMetadata", key, nil, nil, ""},
		{"KeysInOneValue", key, nil, metadata.Pairs("x-api-key", "alice,bob"), "metadata:x-api-key:alice,bob"},
		{"BlankKey", key, nil, metadata.Pairs("x-api-key", " alice"), "metadata:x-api-key: alice"},
		{"BinaryKey", binary, nil, metadata.Pairs("key-bin", "\x00\xff:"), "metadata:key-bin:\x00\xff:"},
		{"TextForBinaryKey", binary, nil, metadata.Pairs("key", "alice"), ""},

		{"Host", authority, nil, metadata.Pairs(":authority", "api.example"), "authority:api.example"},
		{"HostInCapitals", authority, nil, metadata.Pairs(":authority", "API.Example"), "authority:api.example"},
		{"HostAndPort", authority, nil, metadata.Pairs(":authority", "api.example:8443"), "authority:api.example:8443"},
		{"MadeUpPort", authority, nil, metadata.Pairs(":authority", "api.example:1"), ""},
		{"MadeUpHost", authority, nil, metadata.Pairs(":authority", "x.api.example"), ""},
		{"TwoHosts", authority, nil, metadata.Pairs(":authority", "api.example", ":authority", "api.example"), ""},
		{"NoHost", authority, nil, metadata.Pairs("host", "api.example"), ""},

		{"FirstIsKey", first, tcp("192.0.2.1:1"), metadata.Pairs("x-api-key", "alice"), "first0:metadata:x-api-key:alice"},
		{"FirstIsPeer", first, tcp("192.0.2.1:1"), nil, "first1:ip:192.0.2.1"},
		{"FirstOfTwoKeysIsPeer", first, tcp("192.0.2.1:1"), metadata.Pairs("x-api-key", "a", "x-api-key", "b"), "first1:ip:192.0.2.1"},
		{"FirstOfNone", first, nil, nil, ""},
		{"All", all, tcp("192.0.2.1:1"), metadata.Pairs("x-api-key", "alice"), "all:24:metadata:x-api-key:alice12:ip:192.0.2.1"},
		{"AllButKey", all, tcp("192.0.2.1:1"), nil, ""},
		{"AllButPeer", all, nil, metadata.Pairs("x-api-key", "alice"), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx := t.Context()
			if test.peer != nil {
				ctx = peer.NewContext(ctx, &peer.Peer{Addr: test.peer})
			}
			if test.md != nil {
				ctx = metadata.NewIncomingContext(ctx, test.md)
			}
			require.Equal(t, test.want, test.identity(ctx, grpclimit.Call{Method: echo}))
		})
	}
}

func TestPeerWithoutAddress(t *testing.T) {
	require.Empty(t, grpclimit.Peer(peer.NewContext(t.Context(), &peer.Peer{}), grpclimit.Call{}))
	require.Empty(t, grpclimit.Peer(peer.NewContext(t.Context(), nil), grpclimit.Call{}))
}

func TestMethodServiceTarget(t *testing.T) {
	for method, service := range map[string]string{
		"/pkg.Service/Method": "service:pkg.Service",
		"/a/b/Method":         "service:a/b",
		"pkg.Service/Method":  "service:pkg.Service",
		"/Method":             "",
		"//Method":            "",
		"":                    "",
	} {
		call := grpclimit.Call{Method: method}
		require.Equal(t, service, grpclimit.Service(t.Context(), call), method)
		require.Equal(t, "method:"+method, grpclimit.Method(t.Context(), call))
		require.Empty(t, grpclimit.Target(t.Context(), call))
	}
	call := grpclimit.Call{Target: "dns:///there", Client: true}
	require.Equal(t, "target:dns:///there", grpclimit.Target(t.Context(), call))
}

func TestContextValue(t *testing.T) {
	type user struct{}
	identity := must(grpclimit.ContextValue("user", func(ctx context.Context) string {
		name, _ := ctx.Value(user{}).(string)
		return name
	}))
	require.Empty(t, identity(t.Context(), grpclimit.Call{}))
	ctx := context.WithValue(t.Context(), user{}, "alice")
	require.Equal(t, "value:user:alice", identity(ctx, grpclimit.Call{}))
}

// At a client, Metadata must not read what came with the incoming call, and Authority must
// not take the incoming authority for that of the client's own call.
func TestMetadataOfTheRightCall(t *testing.T) {
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("key", "incoming", ":authority", "api.example"))
	ctx = metadata.AppendToOutgoingContext(ctx, "Key", "outgoing")
	key, authority := must(grpclimit.Metadata("key")), must(grpclimit.Authority("api.example"))
	require.Equal(t, "metadata:key:incoming", key(ctx, grpclimit.Call{}))
	require.Equal(t, "metadata:key:outgoing", key(ctx, grpclimit.Call{Client: true}))
	require.Equal(t, "authority:api.example", authority(ctx, grpclimit.Call{}))
	require.Empty(t, authority(ctx, grpclimit.Call{Client: true}))
	require.Empty(t, key(metadata.AppendToOutgoingContext(ctx, "key", "another"), grpclimit.Call{Client: true}))
}

// Two lists of texts that differ never give the same identity, whatever functions of the
// user return.
func TestCombinationsAreInjective(t *testing.T) {
	constant := func(text string) grpclimit.Identity {
		return func(context.Context, grpclimit.Call) string { return text }
	}
	of := func(texts []string) (identities []grpclimit.Identity) {
		for _, text := range texts {
			identities = append(identities, constant(text))
		}
		return identities
	}
	texts := rapid.SliceOfN(rapid.StringOfN(rapid.SampledFrom([]rune("01:a")), 1, 6, -1), 1, 4)
	rapid.Check(t, func(t *rapid.T) {
		a, b := texts.Draw(t, "a"), texts.Draw(t, "b")
		same := strings.Join(a, "\x00") == strings.Join(b, "\x00")
		call := grpclimit.Call{}
		ctx := context.Background()
		require.Equal(t, same, grpclimit.All(of(a)...)(ctx, call) == grpclimit.All(of(b)...)(ctx, call))

		// The identities before the place-th are unknown.
		i, j := rapid.IntRange(0, 12).Draw(t, "i"), rapid.IntRange(0, 12).Draw(t, "j")
		at := func(place int, text string) string {
			return grpclimit.First(append(of(make([]string, place)), constant(text))...)(ctx, call)
		}
		require.Equal(t, i == j && a[0] == b[0], at(i, a[0]) == at(j, b[0]))
	})
}
