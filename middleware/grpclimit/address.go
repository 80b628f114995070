package grpclimit

import (
	"context"
	"net"
	"strings"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

// direct returns the identity of a peer by its address. The error is always nil, since the
// zero Address is valid.
var direct, _ = httplimit.Address{}.Walk()

// Peer limits by the address of the other end of the connection: "ip:192.0.2.1", or
// "ip:2001:db8:1:2::/64", because a client with one IPv6 address of a /64 has them all.
// The identity is unknown if the connection is not over an IP network, but on a Unix
// socket or in memory.
//
// Behind a proxy, the other end is the proxy, so all its clients share one identity: use
// [Address] there. At a client, Peer is the peer of the incoming call whose handler makes
// this call, if there is one.
func Peer(ctx context.Context, _ Call) string { return direct(peerAddr(ctx), nil) }

// Address limits by the client's address as a describes it. Its text is "ip:" and the
// address, as with [Peer]. The header field of a is the metadata key of that name:
// x-forwarded-for if a.Header is empty. The error says which field of a is wrong.
//
//	grpclimit.Address(httplimit.Address{Trusted: proxies})
//
// A grpc-gateway appends the address of its client to x-forwarded-for. If the gateway is
// in the same process and connects in memory, it has no address that could be trusted:
// count it with Hops, which is then 1 or more.
func Address(a httplimit.Address) (Identity, error) {
	walk, err := a.Walk()
	if err != nil {
		return nil, err
	}
	key := "x-forwarded-for"
	if a.Header != "" {
		key = strings.ToLower(a.Header)
	}
	return func(ctx context.Context, _ Call) string {
		return walk(peerAddr(ctx), metadata.ValueFromIncomingContext(ctx, key))
	}, nil
}

// peerAddr returns the text of the peer's address, with its port. It returns "" if the
// peer is not on an IP network, because the name of a Unix socket can look like an
// address.
func peerAddr(ctx context.Context) string {
	p, ok := peer.FromContext(ctx)
	if !ok || p == nil || p.Addr == nil {
		return ""
	}
	if tcp, ok := p.Addr.(*net.TCPAddr); ok {
		return tcp.AddrPort().String() // cheaper than p.Addr.String
	}
	if network := p.Addr.Network(); !strings.HasPrefix(network, "tcp") && !strings.HasPrefix(network, "udp") {
		return ""
	}
	return p.Addr.String()
}
