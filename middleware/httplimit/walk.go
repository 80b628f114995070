package httplimit

import (
	"net/netip"
	"strings"
)

// maxProxies is the most trusted addresses, the peer's included, that are passed over.
const maxProxies = 64

// nat64 is the prefix under which a translator shows IPv4 clients to an IPv6 server (RFC
// 6052, section 2.1), with their IPv4 addresses in the last 32 bits. All of them are in
// one /64.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// walker finds clients as an [Address] describes.
type walker struct {
	trusted      []netip.Prefix
	hops         int
	bits4, bits6 int
	entry        func(string) (netip.Addr, bool)
}

// client returns the identity of the client, or "".
func (w *walker) client(peer string, lines []string) string {
	addr, ok := w.find(peer, lines)
	if !ok {
		return ""
	}
	if nat64.Contains(addr) {
		all := addr.As16()
		addr = netip.AddrFrom4([4]byte(all[12:]))
	}
	bits := w.bits6
	if addr.Is4() {
		bits = w.bits4
	}
	room := append(make([]byte, 0, 64), "ip:"...)
	if bits == addr.BitLen() {
		return string(addr.AppendTo(room))
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return "" // unreachable: walker checked the bits
	}
	return string(prefix.AppendTo(room))
}

func (w *walker) find(peer string, lines []string) (netip.Addr, bool) {
	switch {
	case w.hops > 0:
		return w.count(lines)
	case len(w.trusted) == 0:
		return parseEntry(peer)
	}
	return w.walk(peer, lines)
}

// count returns the address in the entry that is hops from the end.
func (w *walker) count(lines []string) (netip.Addr, bool) {
	entries := backwards{lines: lines}
	for range w.hops - 1 {
		if _, ok := entries.next(); !ok {
			return netip.Addr{}, false
		}
	}
	text, ok := entries.next()
	if !ok {
		return netip.Addr{}, false
	}
	return w.entry(text)
}

// walk goes from the peer towards the client, for as long as the address that reported the
// next one is trusted.
func (w *walker) walk(peer string, lines []string) (netip.Addr, bool) {
	addr, ok := parseEntry(peer)
	entries := backwards{lines: lines}
	for n := 0; ok && w.trusts(addr); n++ {
		text, more := entries.next()
		if !more {
			return addr, true
		}
		if n == maxProxies {
			return netip.Addr{}, false
		}
		addr, ok = w.entry(text)
	}
	return addr, ok
}

func (w *walker) trusts(addr netip.Addr) bool {
	for _, p := range w.trusted {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// backwards yields the entries of a comma-separated header field from its end. It reads no
// more of the field than it has to.
type backwards struct {
	lines []string // not begun
	rest  string   // what is left of the line that was begun
	begun bool
}

// next returns the next entry, without blanks around it. It skips empty entries.
func (b *backwards) next() (string, bool) {
	for b.begun || len(b.lines) > 0 {
		if !b.begun {
			last := len(b.lines) - 1
			b.lines, b.rest, b.begun = b.lines[:last], b.lines[last], true
		}
		start := lastEntry(b.rest)
		entry := strings.Trim(b.rest[start:], " \t")
		if start == 0 {
			b.begun = false
		} else {
			b.rest = b.rest[:start-1]
		}
		if entry != "" {
			return entry, true
		}
	}
	return "", false
}

// lastEntry returns where the last entry of a line begins. A comma in a quoted string does
// not separate entries. Quotes are paired from the right, where a proxy wrote, so a quote
// that a client left open further left hides nothing.
func lastEntry(line string) int {
	quoted := false
	for i := len(line) - 1; i >= 0; i-- {
		switch line[i] {
		case ',':
			if !quoted {
				return i + 1
			}
		case '"':
			before := strings.TrimRight(line[:i], `\`)
			if escaped := quoted && (i-len(before))%2 == 1; !escaped {
				quoted = !quoted
			}
			i = len(before)
		}
	}
	return 0
}
