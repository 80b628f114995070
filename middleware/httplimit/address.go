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

// Peer is the [Identity] that limits by the address of the other end of the connection: an
// IPv4 address, or the /64 prefix of an IPv6 address, because a client with one address of
// a /64 has them all. On a Unix socket the identity is unknown.
//
// Behind a proxy, the other end is the proxy, so all its clients share one identity: use
// an [Address] there. Peer reads Request.RemoteAddr, so no outer middleware may overwrite
// that with the value of a header field.
func Peer(r *http.Request) string { return peer.client(peerOf(r), nil) }

var peer = walker{bits4: 32, bits6: 64}

// peerOf returns the address of the other end of r's connection. It returns "" on a Unix
// socket, whose client may give its own end a name that looks like an address.
func peerOf(r *http.Request) string {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if ok && strings.HasPrefix(local.Network(), "unix") {
		return ""
	}
	return r.RemoteAddr
}

// Address tells clients apart by address. The zero value is [Peer].
//
// A client cannot choose its address by sending the header field itself. The field is read
// from its end, where the nearest proxy wrote, towards its beginning, and only as far as
// your own proxies wrote it. Several lines of the field count as one. The port and the
// zone of an entry are dropped. IPv4 addresses in IPv6 form count as IPv4: those in
// ::ffff:0:0/96 and, for clients, also those in 64:ff9b::/96, which address translators
// use. If one of your proxies wrote something that is not an address ("unknown", or
// worse), the client is unknown: the entries before it are not believed either.
type Address struct {
	// Trusted lists the addresses of your proxies. The client is the first address, from
	// the peer backwards, that is not in the list; if all are, it is the farthest one. If
	// the peer itself is not in the list, the field is not read at all. A prefix of 0 bits
	// is refused, since it would trust everybody. The client is unknown if there are more
	// than 64 proxies in a row. It is also unknown if the nearest proxy connects by a Unix
	// socket, which has no address: use Hops there.
	Trusted []netip.Prefix

	// Hops is the number of your proxies that every request comes through, for use when
	// their addresses are not known. The client is the entry that the farthest of them
	// wrote: the Hops-th from the end. It is unknown if there are fewer entries. A client
	// that can reach the server past the proxies chooses its identity, so none must be
	// able to. Hops excludes Trusted; 0 means that proxies are not counted.
	Hops int

	// Header is the field in which proxies write the client's address: "X-Forwarded-For"
	// if empty. "Forwarded" is the field of RFC 7239, whose parameter "for" is used. Any
	// other field, such as "X-Real-Ip", is read as a list of addresses.
	Header string

	// IPv4Bits and IPv6Bits are the lengths of the prefixes that count as one client: 32
	// and 64 if 0.
	IPv4Bits, IPv6Bits int
}

// Identity returns an identity that limits by the client's address. The error says which
// field of a is wrong.
func (a Address) Identity() (Identity, error) {
	w, err := a.walker()
	if err != nil {
		return nil, err
	}
	key := textproto.CanonicalMIMEHeaderKey(a.header())
	return func(r *http.Request) string { return w.client(peerOf(r), r.Header[key]) }, nil
}

// Walk returns the function behind [Address.Identity], for servers that do not use
// net/http. The function returns the identity of a client from the address of the peer,
// with or without a port, and from all lines of the header field, in their order. It keeps
// neither argument, and is safe for concurrent use. The error says which field of a is
// wrong.
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
