package httplimit

import (
	"strconv"
	"time"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// Headers is a set of header fields that tell clients how much they may still send.
type Headers int

// The sets of header fields. All of them give times in whole seconds, rounded up. None of
// them is sent if a failure mode decided, because the numbers are not known then.
const (
	// HeadersIETF are RateLimit-Policy and RateLimit of
	// draft-ietf-httpapi-ratelimit-headers-11, which list all limits:
	//
	//	RateLimit-Policy: "default";q=100;w=60
	//	RateLimit: "default";r=50;t=30
	//
	// q is the most units that can be taken at once. w is the time in which q units come
	// back; it is left out unless that is whole seconds. r is how many units remain. t is
	// the time until there is more: until a denied request would be let through, or
	// otherwise until all q units are there, which under a sliding window can take longer
	// than w, up to two Periods. t is left out if it is 0, and in a denial if it is later
	// than Retry-After.
	HeadersIETF Headers = iota
	// HeadersTriple are RateLimit-Limit, RateLimit-Remaining and RateLimit-Reset of the
	// drafts up to 06; Reset is in seconds from now. These fields and the ones below show
	// only the limit of Decision.Result. Their values are its q, r and t.
	HeadersTriple
	// HeadersX are X-RateLimit-Limit, X-RateLimit-Remaining and X-RateLimit-Reset; Reset
	// is in seconds since 1970, by Redis's clock.
	HeadersX
	// HeadersXDelta are the fields of HeadersX, but Reset is in seconds from now.
	HeadersXDelta
	// HeadersNone are no fields, except for Retry-After.
	HeadersNone

	headersEnd
)

// The names are in the canonical form that net/http uses as keys of its maps.
const (
	policyField     = "Ratelimit-Policy"
	rateLimitField  = "Ratelimit"
	retryAfterField = "Retry-After"
	cacheField      = "Cache-Control"
)

// older has the names of each set's older fields, for limit, remaining and reset. They are
// "" in a set that has none.
var older = [headersEnd][3]string{
	HeadersTriple: {"Ratelimit-Limit", "Ratelimit-Remaining", "Ratelimit-Reset"},
	HeadersX:      {"X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset"},
	HeadersXDelta: {"X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset"},
}

type field struct{ name, value string }

// fields are the header fields of one response.
type fields struct {
	list  [5]field
	n     int
	retry int64 // the value of Retry-After; 0 if there is none
}

func (f *fields) add(name, value string) {
	f.list[f.n] = field{name, value}
	f.n++
}

// fields returns the header fields that describe d.
func (g *Guard) fields(d *Decision) fields {
	f := fields{retry: retryAfter(d)}
	if d.informed() {
		switch g.headers {
		case HeadersIETF:
			f.add(policyField, d.guard.policy)
			f.add(rateLimitField, members(d, f.retry))
		case HeadersTriple, HeadersX, HeadersXDelta:
			g.addOlder(&f, &d.Result)
		}
	}
	if f.retry > 0 {
		f.add(retryAfterField, strconv.FormatInt(f.retry, 10))
	}
	if d.Outcome != Allowed && d.Outcome != Canceled {
		f.add(cacheField, "no-store") // the answer is for this client at this moment
	}
	return f
}

// members returns the value of the field RateLimit.
func members(d *Decision, retry int64) string {
	room, quoted := make([]byte, 0, 128), d.guard.quoted
	if d.results == nil {
		return string(appendMember(room, quoted[0], &d.Result, retry))
	}
	for i := range d.results {
		if i > 0 {
			room = append(room, ", "...)
		}
		room = appendMember(room, quoted[i], &d.results[i], retry)
	}
	return string(room)
}

func appendMember(text []byte, quoted string, r *ratelimit.Result, retry int64) []byte {
	text = append(append(text, quoted...), ";r="...)
	text = strconv.AppendInt(text, integer(r.Remaining), 10)
	if t := seconds(untilMore(r)); t > 0 && (retry == 0 || t <= retry) {
		text = strconv.AppendInt(append(text, ";t="...), t, 10)
	}
	return text
}

// appendPolicy appends a limit to the value of RateLimit-Policy.
func appendPolicy(list, quoted string, units int64, window time.Duration) string {
	if list != "" {
		list += ", "
	}
	list += quoted + ";q=" + strconv.FormatInt(integer(units), 10)
	if window >= time.Second && window%time.Second == 0 {
		list += ";w=" + strconv.FormatInt(int64(window/time.Second), 10)
	}
	return list
}

func (g *Guard) addOlder(f *fields, r *ratelimit.Result) {
	var room [64]byte
	text := strconv.AppendInt(room[:0], integer(r.Limit), 10)
	limit := len(text)
	text = strconv.AppendInt(text, integer(r.Remaining), 10)
	remaining := len(text)
	reset := seconds(untilMore(r))
	if g.headers == HeadersX {
		now := r.Now.Add(untilMore(r))
		reset = now.Unix()
		if now.Nanosecond() > 0 {
			reset++
		}
	}
	text = strconv.AppendInt(text, integer(reset), 10)
	all, names := string(text), older[g.headers]
	f.add(names[0], all[:limit])
	f.add(names[1], all[limit:remaining])
	f.add(names[2], all[remaining:])
}

// untilMore returns the time until the identity has more units, as far as a result tells:
// enough units for the denied request, if a wait can help it; otherwise all units.
func untilMore(r *ratelimit.Result) time.Duration {
	if r.RetryAfter > 0 && r.RetryAfter != algorithm.Never {
		return r.RetryAfter
	}
	return r.ResetAfter
}

// retryAfter returns the value of Retry-After, or 0 if the field is left out. When Redis
// is away the value is 1, since the limiter asks Redis again sooner than that.
func retryAfter(d *Decision) int64 {
	switch {
	case d.Outcome == Unavailable:
		return 1
	case d.Outcome != Denied || d.RetryAfter == algorithm.Never:
		return 0
	}
	return max(1, seconds(d.RetryAfter))
}

// seconds returns d in whole seconds, rounded up.
func seconds(d time.Duration) int64 {
	s := int64(d / time.Second)
	if d%time.Second > 0 {
		s++
	}
	return s
}

// integer returns n, or the nearest integer from 0 up that RFC 9651 can express.
func integer(n int64) int64 { return min(max(n, 0), 999_999_999_999_999) }
