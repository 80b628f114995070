package httplimit

import (
	"net/netip"
	"strings"

	"github.com/distributed-rate-limiter/ratelimit/internal/identity"
)

// parseEntry returns the address in text, which may have a port. As [Address] documents,
// the address is unmapped and has no zone.
func parseEntry(text string) (netip.Addr, bool) {
	addr, ok := parseHost(text)
	return addr.Unmap().WithZone(""), ok
}

// parseHost recognises the form of text before it parses, because errors allocate.
func parseHost(text string) (netip.Addr, bool) {
	inner, open := strings.CutPrefix(text, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	switch {
	case open && closed:
		addr, err := netip.ParseAddr(inner)
		return addr, err == nil && !addr.Is4() // an IPv4 address has no brackets
	case open || strings.Count(text, ":") == 1:
		withPort, err := netip.ParseAddrPort(text)
		return withPort.Addr(), err == nil
	}
	addr, err := netip.ParseAddr(text)
	return addr, err == nil
}

// maxElement bounds the length of an element of a Forwarded field: longer ones are not
// parsed.
const maxElement = 4 << 10

// parseForwarded returns the address in the parameter "for" of an element of a Forwarded
// field (RFC 7239, section 4). There is none if the element is malformed or longer than
// maxElement, or does not have exactly one such parameter.
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

// parseValue returns the value at the beginning of text, which is a quoted string or
// everything before the next semicolon, and the rest of text after that semicolon.
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

// quotedEnd returns the index after the quoted string that text begins with, or -1 if the
// string has no end.
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
