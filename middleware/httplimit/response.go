package httplimit

import (
	"io"
	"net/http"
	"strconv"
	"strings"
)

// SetHeader does what [Guard.SetFields] does, to a header of net/http's. The values
// of fields that are new, which are all unless middlewares are nested, share one
// allocation.
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

// Refuse answers a request that is not let through with what [Guard.Reply] says,
// in the handler's stead. The fields that tell of d are not set by it. As with
// [http.Error], what a handler further out has wrapped w for, such as compression,
// goes on.
func (g *Guard) Refuse(w http.ResponseWriter, r *http.Request, d Decision) {
	reply := g.Reply(d, joined(r.Header["Accept"]))
	header := w.Header()
	if reply.Body != "" {
		for _, name := range []string{"Content-Length", "Etag", "Last-Modified"} {
			header.Del(name) // of another response
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

// joined returns a field by its lines.
func joined(lines []string) string { return strings.Join(lines, ", ") }
