package httplimit

import (
	"net/netip"
	"strings"
)

// maxProxies bounds how many trusted entries are walked over.
const maxProxies = 64

// nat64 has the IPv4 addresses, in its last 32 bits, of those whom a translator has
// come to an IPv6 server (RFC 6052, section 2.1). They are of one /64, all of them.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// walker finds clients as an [Address] says.
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
		return "" // it does not fail: bits were checked
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

// count returns the address that stands hops entries from the end.
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

// walk goes from the peer towards the client, for as long as who tells of the
// next is trusted.
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

// backwards yields the entries of a comma-separated header field from its end.
// It looks at no more of the field than it has to.
type backwards struct {
	lines []string // not begun
	rest  string   // of the line that is
	begun bool
}

// next returns an entry, without the blanks around it. Empty ones are none.
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

// lastEntry returns where the last entry of a line begins. A comma in a quoted
// string separates nothing. What is quoted is told from the right as well, where a
// proxy wrote it: a quote that a client leaves open further left hides nothing.
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
