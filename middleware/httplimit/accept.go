package httplimit

import "strings"

// prefersText reports whether a client with this Accept field prefers text/plain to
// application/problem+json (RFC 9110, section 12.5.1). text/html counts as text/plain: the
// client has a person in front of it, who is shown text. application/json counts as
// application/problem+json. If the field prefers neither type, the result is false.
func prefersText(accept string) bool {
	if accept == "" {
		return false
	}
	text, problem := quality{q: -1}, quality{q: -1}
	for accept != "" {
		element := accept
		end := elementEnd(accept, ',')
		element, accept = accept[:end], accept[min(end+1, len(accept)):]
		name, q, ok := parseRange(element)
		if !ok {
			continue
		}
		switch strings.ToLower(name) {
		case "text/plain":
			text.note(3, q)
		case "text/html":
			text.note(2, q)
		case "text/*":
			text.note(1, q)
		case "application/problem+json":
			problem.note(3, q)
		case "application/json":
			problem.note(2, q)
		case "application/*":
			problem.note(1, q)
		case "*/*":
			text.note(0, q)
			problem.note(0, q)
		}
	}
	return text.q > max(problem.q, 0)
}

// quality is how much a client wants a type, as given by the most specific range that
// matches the type. Its q is -1 if no range does.
type quality struct{ specific, q int }

func (old *quality) note(specific, q int) {
	switch {
	case old.q < 0 || specific > old.specific:
		*old = quality{specific, q}
	case specific == old.specific:
		old.q = max(old.q, q)
	}
}

// parseRange returns the name of a media range and its quality in thousandths. It skips
// all other parameters. A range whose quality is malformed is not ok.
func parseRange(element string) (name string, q int, ok bool) {
	end := elementEnd(element, ';')
	name, q = strings.Trim(element[:end], " \t"), 1000
	for end < len(element) {
		element = element[end+1:]
		end = elementEnd(element, ';')
		key, value, _ := strings.Cut(element[:end], "=")
		if key = strings.Trim(key, " \t"); key == "q" || key == "Q" {
			if q, ok = parseQuality(strings.Trim(value, " \t")); !ok {
				return "", 0, false
			}
		}
	}
	return name, q, true
}

// elementEnd returns the index of the first separator in text that is not in a quoted
// string, or the length of text if there is none.
func elementEnd(text string, separator byte) int {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case separator:
			return i
		case '"':
			length := quotedEnd(text[i:])
			if length < 0 {
				return len(text)
			}
			i += length - 1
		}
	}
	return len(text)
}

// parseQuality returns a qvalue in thousandths: 0 or 1, with at most three
// decimals, and no more than 1.
func parseQuality(text string) (int, bool) {
	if len(text) == 0 || len(text) > 5 || text[0] != '0' && text[0] != '1' || len(text) > 1 && text[1] != '.' {
		return 0, false
	}
	q := 1000 * int(text[0]-'0')
	scale := 100
	for i := 2; i < len(text); i++ {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
		q += scale * int(text[i]-'0')
		scale /= 10
	}
	return q, q <= 1000
}
