package grpclimit

import (
	"context"
	"net"
	"strings"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

// direct returns the identity of a peer by its address. There is nothing in it that
// could be wrong.
var direct, _ = httplimit.Address{}.Walk()

// Peer limits by the address of whoever is connected: "ip:192.0.2.1", or
// "ip:2001:db8:1:2::/64", since whoever has one IPv6 address of a /64 has them all.
// It is unknown where the connection is not of an IP network: on a Unix socket, or in
// memory.
//
// Behind a proxy that is the proxy's address, and all clients are one: there use
// [Address]. At a client, Peer is that of the incoming call, if any, in whose handler
// this one is made.
func Peer(ctx context.Context, _ Call) string { return direct(peerAddr(ctx), nil) }

// Address limits by the address that a says, which has "ip:" and the address for its
// text, as with [Peer]. The header field of a is the metadata of that name:
// x-forwarded-for, if it says nothing else. The error names what of a is wrong.
//
//	grpclimit.Address(httplimit.Address{Trusted: proxies})
//
// A grpc-gateway adds the address of its client to x-forwarded-for. Where it is in
// the same process, connected in memory, its own address is none that could be
// trusted: count it, by Hops of 1 or more.
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

// peerAddr returns the text of the peer's address, with its port; "" if it is not of
// an IP network: a Unix socket's name can look like an address.
func peerAddr(ctx context.Context) string {
	p, ok := peer.FromContext(ctx)
	if !ok || p == nil || p.Addr == nil {
		return ""
	}
	if tcp, ok := p.Addr.(*net.TCPAddr); ok {
		return tcp.AddrPort().String() // cheaper than its own
	}
	if network := p.Addr.Network(); !strings.HasPrefix(network, "tcp") && !strings.HasPrefix(network, "udp") {
		return ""
	}
	return p.Addr.String()
}
