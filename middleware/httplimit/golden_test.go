package httplimit_test

import (
	"bytes"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

var update = flag.Bool("httplimit.update", false, "rewrite the golden files")

// TestGolden compares whole responses with golden files, byte by byte, for each set of
// header fields.
func TestGolden(t *testing.T) {
	now := time.Unix(1_800_000_000, 250_000_000)
	allowed := says{now: now, remaining: 50, reset: 29_400 * time.Millisecond}
	denied := says{now: now, retry: 1_800 * time.Millisecond, reset: time.Minute}
	hopeless := says{now: now, retry: algorithm.Never, remaining: 50, reset: 30 * time.Second}
	fresh := says{now: now, remaining: 2000}
	both := func(first, second says) *says {
		first.after = &second
		return &first
	}
	closed := ratelimit.WithFailureMode(ratelimit.FailClosed)
	for name, headers := range map[string]httplimit.Headers{
		"ietf": httplimit.HeadersIETF, "triple": httplimit.HeadersTriple, "x": httplimit.HeadersX,
		"xdelta": httplimit.HeadersXDelta, "none": httplimit.HeadersNone,
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			for _, test := range []struct {
				title, accept string
				says          *says
				several       bool
				options       []ratelimit.Option
			}{
				{"allowed", "", &allowed, false, nil},
				{"denied", "*/*", &denied, false, nil},
				{"denied, text", "text/plain", &denied, false, nil},
				{"denied for ever", "", &hopeless, false, nil},
				{"allowed by two", "", both(allowed, fresh), true, nil},
				{"denied by the first of two", "", both(denied, fresh), true, nil},
				{"denied by both", "", both(denied, hopeless), true, nil},
				{"Redis is away, open", "", away, false, nil},
				{"Redis is away, closed", "", away, false, []ratelimit.Option{closed}},
				{"Redis is away, closed, text", "text/html", away, false, []ratelimit.Option{closed}},
			} {
				limits := named(t, "default", test.says)
				if len(test.options) > 0 {
					limits[0].Limiter = perMinute(t, test.says, "a", 100, test.options...)
				}
				if test.several {
					day := newLimiter(t, test.says, tokenbucket.Limit{Rate: 2000, Period: 24 * time.Hour}, ratelimit.WithNamespace("d"))
					limits = append(limits, httplimit.Limit{Name: `the "day"`, Limiter: day, Identity: alice})
				}
				w := do(wrapAll(t, limits, nothing, httplimit.WithHeaders(headers)), with("Accept", test.accept))
				fmt.Fprintf(&out, "# %s\n%s\n", test.title, dump(t, w))
			}
			file := filepath.Join("testdata", name+".txt")
			if *update {
				require.NoError(t, os.MkdirAll("testdata", 0o755))
				require.NoError(t, os.WriteFile(file, out.Bytes(), 0o644))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, string(want), out.String())
		})
	}
}

// dump returns a response as text.
func dump(t *testing.T, w *httptest.ResponseRecorder) string {
	var out bytes.Buffer
	fmt.Fprintln(&out, w.Result().Status)
	require.NoError(t, w.Header().Write(&out))
	fmt.Fprintf(&out, "\n%s", w.Body)
	return strings.ReplaceAll(out.String(), "\r\n", "\n")
}
