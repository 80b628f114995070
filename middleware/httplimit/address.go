package httplimit

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/textproto"
	"slices"
	"strings"

	"github.com/distributed-rate-limiter/ratelimit/internal/identity"
)

// Peer is the [Identity] that is the address of the other end of the connection:
// an IPv4 address, or the /64 prefix of an IPv6 address, since whoever has one
// address of a /64 has them all. It is not known on a Unix socket.
//
// Behind a proxy that is the proxy's address, and all clients are one: there use
// an [Address]. It is Request.RemoteAddr, so no middleware further out may set that to
// what a header field says.
func Peer(r *http.Request) string { return peer.client(peerOf(r), nil) }

var peer = walker{bits4: 32, bits6: 64}

// peerOf returns the address of the other end of r's connection, or "" on a Unix
// socket: whoever connects to one may give their own end a name that looks like an
// address.
func peerOf(r *http.Request) string {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if ok && strings.HasPrefix(local.Network(), "unix") {
		return ""
	}
	return r.RemoteAddr
}

// Address is how clients are told apart by address. The zero value is [Peer].
//
// What a client puts into a header field itself is never believed. The field is
// read from its end, where the nearest proxy wrote, towards its beginning, all
// its lines taken for one, and only as far as proxies of yours wrote it. Of an
// entry, the port and the zone are dropped, and IPv4 in IPv6 is IPv4: in ::ffff:0:0/96,
// and of a client also in 64:ff9b::/96, where translators put it. Where what a proxy of
// yours wrote is no address ("unknown", or worse), the client is not known; it is no
// reason to believe what stands before it.
type Address struct {
	// Trusted are the addresses of your proxies. The client is the first address,
	// from the peer backwards, that is not among them; if all are, the farthest.
	// So a field that came from elsewhere is not looked at. A prefix of 0 bits is
	// refused, since it would trust everybody. Where there are more than 64 proxies
	// in a row, the client is not known; nor is it where the nearest of them comes
	// by a Unix socket, which has no address: there use Hops.
	Trusted []netip.Prefix

	// Hops is how many proxies of yours every request comes through, where their
	// addresses are not known: the client is the entry that the farthest of them
	// wrote, the Hops-th from the end. It is not known where there are fewer.
	// Whoever reaches the server past the proxies chooses an identity, so nobody
	// may be able to. It excludes Trusted; 0 means that there is no count.
	Hops int

	// Header is the field in which proxies write the client: "X-Forwarded-For" if
	// empty. "Forwarded" is that of RFC 7239, of which the parameter "for" is
	// taken. Any other, such as "X-Real-Ip", is a list of addresses.
	Header string

	// IPv4Bits and IPv6Bits are the lengths of the prefixes that are one client:
	// 32 and 64 if 0.
	IPv4Bits, IPv6Bits int
}

// Identity returns the identity that is the client's address. The error names
// what of a is wrong.
func (a Address) Identity() (Identity, error) {
	w, err := a.walker()
	if err != nil {
		return nil, err
	}
	key := textproto.CanonicalMIMEHeaderKey(a.header())
	return func(r *http.Request) string { return w.client(peerOf(r), r.Header[key]) }, nil
}

// Walk returns the function that [Address.Identity] stands on, for servers that
// are not of net/http: it returns the identity of a client by the address of the
// peer, with a port or without, and all lines of the header field, in their
// order. It keeps neither of them, and is safe for concurrent use. The error
// names what of a is wrong.
func (a Address) Walk() (func(peer string, lines []string) string, error) {
	w, err := a.walker()
	if err != nil {
		return nil, err
	}
	return w.client, nil
}

func (a Address) header() string {
	if a.Header == "" {
		return "X-Forwarded-For"
	}
	return a.Header
}

func (a Address) walker() (*walker, error) {
	switch {
	case a.Hops < 0:
		return nil, fmt.Errorf("httplimit: Address: Hops is %d: must not be negative", a.Hops)
	case a.Hops > 0 && len(a.Trusted) > 0:
		return nil, errors.New("httplimit: Address: Trusted and Hops are both set: one or the other")
	case a.Header != "" && !identity.IsToken(a.Header):
		return nil, fmt.Errorf("httplimit: Address: Header is %q: must be the name of a header field", a.Header)
	case strings.EqualFold(a.Header, "Host"):
		return nil, fmt.Errorf("httplimit: Address: Header is %q: it does not tell of clients", a.Header)
	case a.Header != "" && a.Hops == 0 && len(a.Trusted) == 0:
		return nil, fmt.Errorf("httplimit: Address: Header is %q, but neither Trusted nor Hops says who may write it", a.Header)
	case a.IPv4Bits < 0 || a.IPv4Bits > 32:
		return nil, fmt.Errorf("httplimit: Address: IPv4Bits is %d: must be 1 to 32, or 0 for 32", a.IPv4Bits)
	case a.IPv6Bits < 0 || a.IPv6Bits > 128:
		return nil, fmt.Errorf("httplimit: Address: IPv6Bits is %d: must be 1 to 128, or 0 for 64", a.IPv6Bits)
	}
	w := &walker{
		trusted: slices.Clone(a.Trusted),
		hops:    a.Hops,
		bits4:   a.IPv4Bits,
		bits6:   a.IPv6Bits,
		entry:   parseEntry,
	}
	if textproto.CanonicalMIMEHeaderKey(a.header()) == "Forwarded" {
		w.entry = parseForwarded
	}
	if w.bits4 == 0 {
		w.bits4 = peer.bits4
	}
	if w.bits6 == 0 {
		w.bits6 = peer.bits6
	}
	for i, p := range w.trusted {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		switch {
		case !p.IsValid():
			return nil, fmt.Errorf("httplimit: Address: Trusted[%d] is %v", i, a.Trusted[i])
		case p.Bits() == 0:
			return nil, fmt.Errorf("httplimit: Address: Trusted[%d] is %v: must not be everybody", i, a.Trusted[i])
		}
		w.trusted[i] = p.Masked()
	}
	return w, nil
}
