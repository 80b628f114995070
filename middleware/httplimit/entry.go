package httplimit

import (
	"net/netip"
	"strings"

	"github.com/distributed-rate-limiter/ratelimit/internal/identity"
)

// parseEntry returns the address that text is, with a port or without, as an
// [Address] takes it: unmapped and without its zone.
func parseEntry(text string) (netip.Addr, bool) {
	addr, ok := parseHost(text)
	return addr.Unmap().WithZone(""), ok
}

// parseHost tells the forms apart before it parses, since errors are allocated.
func parseHost(text string) (netip.Addr, bool) {
	inner, open := strings.CutPrefix(text, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	switch {
	case open && closed:
		addr, err := netip.ParseAddr(inner)
		return addr, err == nil && !addr.Is4() // which has no brackets
	case open || strings.Count(text, ":") == 1:
		withPort, err := netip.ParseAddrPort(text)
		return withPort.Addr(), err == nil
	}
	addr, err := netip.ParseAddr(text)
	return addr, err == nil
}

// maxElement bounds how long an element of a Forwarded field is that is read.
const maxElement = 4 << 10

// parseForwarded returns the address that the parameter "for" of an element of a
// Forwarded field is (RFC 7239, section 4). An element that is not well formed, or
// has none or two of it, has no address; nor has one that is absurdly long.
func parseForwarded(element string) (netip.Addr, bool) {
	if len(element) > maxElement {
		return netip.Addr{}, false
	}
	var client string
	found := false
	for rest := element; ; {
		if rest = strings.TrimLeft(rest, "; \t"); rest == "" { // pairs may be empty
			break
		}
		name, after, ok := strings.Cut(rest, "=")
		if !ok {
			return netip.Addr{}, false
		}
		value, tail, ok := parseValue(after)
		if !ok {
			return netip.Addr{}, false
		}
		if name = strings.Trim(name, " \t"); !identity.IsToken(name) {
			return netip.Addr{}, false
		}
		if strings.EqualFold(name, "for") {
			if found {
				return netip.Addr{}, false
			}
			client, found = value, true
		}
		rest = tail
	}
	return parseEntry(client)
}

// parseValue returns the value that text begins with, a quoted string or whatever
// comes before the next semicolon, and what follows that.
func parseValue(text string) (value, rest string, ok bool) {
	if !strings.HasPrefix(text, `"`) {
		value, rest, _ = strings.Cut(text, ";")
		return strings.TrimRight(value, " \t"), rest, !strings.ContainsAny(value, `"\`)
	}
	end := quotedEnd(text)
	if end < 0 {
		return "", "", false
	}
	value = unquote(text[1 : end-1])
	text = strings.Trim(text[end:], " \t")
	if text == "" {
		return value, "", true
	}
	rest, ok = strings.CutPrefix(text, ";")
	return value, rest, ok
}

// quotedEnd returns where the quoted string ends that text begins with, or -1 if
// it does not.
func quotedEnd(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// unquote returns the content of a quoted string without its backslashes.
func unquote(content string) string {
	if !strings.Contains(content, `\`) {
		return content
	}
	text := make([]byte, 0, len(content))
	for i := 0; i < len(content); i++ {
		if content[i] == '\\' && i+1 < len(content) {
			i++
		}
		text = append(text, content[i])
	}
	return string(text)
}
