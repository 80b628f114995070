package httplimit

import (
	"slices"
	"strconv"
	"strings"
)

// SetFields sets the header fields that describe d, whatever its outcome. It calls set for
// each field, with a name in the form "Retry-After". get must return the value that the
// response has for a field so far, its lines joined by commas, or "". Such a value comes
// from an outer limit, and is merged with this one's.
func (g *Guard) SetFields(d Decision, get func(name string) string, set func(name, value string)) {
	f := g.fields(&d)
	yields := false
	if remaining := older[g.headers][1]; remaining != "" {
		yields = g.yields(&d, get(remaining))
	}
	for _, field := range f.list[:f.n] {
		if value, ok := g.merge(field, get(field.name), yields, f.retry); ok {
			set(field.name, value)
		}
	}
}

// yields reports whether the older fields of d give way to those that the response already
// has, which say this much is remaining. They do if that is less than d has, unless d is a
// denial.
func (g *Guard) yields(d *Decision, remaining string) bool {
	if remaining == "" || d.Outcome == Denied {
		return false
	}
	before, err := strconv.ParseInt(remaining, 10, 64)
	return err == nil && before < d.Result.Remaining
}

// merge returns the value to set for f, given the value old that the response already has,
// and whether to set it.
func (g *Guard) merge(f field, old string, yields bool, retry int64) (string, bool) {
	if old == "" {
		return f.value, true
	}
	switch f.name {
	case policyField, rateLimitField:
		if outer := withoutMembers(old, g.quoted, retry); outer != "" {
			return outer + ", " + f.value, true
		}
	case retryAfterField:
		before, err := strconv.ParseUint(old, 10, 62)
		now, _ := strconv.ParseUint(f.value, 10, 62)
		return f.value, err != nil || before < now
	case cacheField: // ours replaces it
	default:
		return f.value, !yields
	}
	return f.value, true
}

// withoutMembers returns a list of RFC 9651 without the members whose strings are in strs.
// Unless retry is 0, it also drops each t that is later than retry.
func withoutMembers(list string, strs []string, retry int64) string {
	var kept []string
	for list != "" {
		end := elementEnd(list, ',')
		member := strings.Trim(list[:end], " \t")
		list = list[min(end+1, len(list)):]
		bare := member[:elementEnd(member, ';')]
		if member != "" && !slices.Contains(strs, strings.TrimRight(bare, " \t")) {
			kept = append(kept, bare+inTime(member[len(bare):], retry))
		}
	}
	return strings.Join(kept, ", ")
}

// inTime returns parameters without each t that is later than retry, because Retry-After
// must not be earlier than t.
func inTime(parameters string, retry int64) string {
	if retry == 0 {
		return parameters
	}
	kept := ""
	for rest := parameters; rest != ""; {
		end := 1 + elementEnd(rest[1:], ';') // after its own semicolon
		t, ok := strings.CutPrefix(strings.Trim(rest[1:end], " \t"), "t=")
		if n, err := strconv.ParseInt(t, 10, 64); !ok || err != nil || n <= retry {
			kept += rest[:end]
		}
		rest = rest[end:]
	}
	return kept
}
