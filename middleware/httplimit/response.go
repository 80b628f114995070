package httplimit

import (
	"io"
	"net/http"
	"strconv"
	"strings"
)

// SetHeader does what [Guard.SetFields] does, on an [http.Header]. The values of new
// fields share one allocation. All fields are new unless middlewares are nested.
func (g *Guard) SetHeader(header http.Header, d Decision) {
	f := g.fields(&d)
	if f.n == 0 {
		return
	}
	yields := g.yields(&d, joined(header[older[g.headers][1]]))
	values := make([]string, f.n)
	for i, field := range f.list[:f.n] {
		value, ok := g.merge(field, joined(header[field.name]), yields, f.retry)
		if ok {
			values[i] = value
			header[field.name] = values[i : i+1 : i+1]
		}
	}
}

// Refuse answers a request that is not let through with what [Guard.Reply] says, instead
// of the handler. It does not set the fields that describe d. As with [http.Error], a
// wrapper of w by an outer handler, such as one for compression, stays in effect.
func (g *Guard) Refuse(w http.ResponseWriter, r *http.Request, d Decision) {
	reply := g.Reply(d, joined(r.Header["Accept"]))
	header := w.Header()
	if reply.Body != "" {
		for _, name := range []string{"Content-Length", "Etag", "Last-Modified"} {
			header.Del(name) // it would describe the handler's response
		}
		header.Set("Content-Type", reply.ContentType)
		header.Set("X-Content-Type-Options", "nosniff")
	}
	if r.Method == http.MethodHead {
		if reply.Body != "" {
			header.Set("Content-Length", strconv.Itoa(len(reply.Body)))
		}
		w.WriteHeader(reply.Status)
		return
	}
	w.WriteHeader(reply.Status)
	_, _ = io.WriteString(w, reply.Body) // a client that is gone needs no answer
}

// joined returns a field's value from its lines.
func joined(lines []string) string { return strings.Join(lines, ", ") }
