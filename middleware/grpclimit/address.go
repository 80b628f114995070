package grpclimit

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"google.golang.org/grpc/peer"
)

// Peer limits by the address of whoever is connected: "ip:192.0.2.1", and
// "ip:2001:db8:1:2::/64" for IPv6, where a client mostly has all of its network to
// choose from. An IPv4 address in an IPv6 one is that IPv4 address; zones and ports
// are left out.
//
// It is unknown where the connection has no IP address: on a Unix socket, or in
// memory. Behind a proxy it is the proxy's; see [Forwarded]. At a client it is the
// peer of the incoming call, if any, in whose handler this one is made.
func Peer(ctx context.Context, _ Call) string { return addressText(peerAddr(ctx), 32, 64) }

// PeerPrefix is [Peer] by prefixes of v4 and v6 bits: 24 limits each /24 of IPv4 as
// one. v4 is 1 to 32, v6 1 to 128.
func PeerPrefix(v4, v6 int) (Identity, error) {
	switch {
	case v4 < 1 || v4 > 32:
		return nil, fmt.Errorf("grpclimit: PeerPrefix: v4 is %d: must be 1 to 32", v4)
	case v6 < 1 || v6 > 128:
		return nil, fmt.Errorf("grpclimit: PeerPrefix: v6 is %d: must be 1 to 128", v6)
	}
	return func(ctx context.Context, _ Call) string { return addressText(peerAddr(ctx), v4, v6) }, nil
}

// peerAddr returns the peer's address, or the zero Addr. What is on no IP network is
// not parsed: a Unix socket's name can look like an address.
func peerAddr(ctx context.Context) netip.Addr {
	p, ok := peer.FromContext(ctx)
	if !ok || p == nil || p.Addr == nil {
		return netip.Addr{}
	}
	if tcp, ok := p.Addr.(*net.TCPAddr); ok {
		return clean(tcp.AddrPort().Addr())
	}
	if network := p.Addr.Network(); !strings.HasPrefix(network, "tcp") && !strings.HasPrefix(network, "udp") {
		return netip.Addr{}
	}
	text := p.Addr.String()
	if at, err := netip.ParseAddrPort(text); err == nil {
		return clean(at.Addr())
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return clean(addr)
}

// clean returns addr without a zone, and as IPv4 where it is that.
func clean(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

// addressText returns the text of an address, by its prefix; "" for the zero Addr.
func addressText(addr netip.Addr, v4, v6 int) string {
	if !addr.IsValid() {
		return ""
	}
	bits := v6
	if addr.Is4() {
		bits = v4
	}
	var room [64]byte
	text := append(room[:0], "ip:"...)
	if bits == addr.BitLen() {
		return string(addr.AppendTo(text))
	}
	return string(netip.PrefixFrom(addr, bits).Masked().AppendTo(text))
}
