package httplimit_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

func TestPrefersText(t *testing.T) {
	for accept, want := range map[string]bool{
		"":                           false,
		"*/*":                        false, // curl
		"text/plain":                 true,
		"TEXT/Plain":                 true,
		"text/*":                     true,
		"text/html":                  true,
		"application/json":           false,
		"application/problem+json":   false,
		"application/*, text/plain":  false,
		"text/plain, */*":            false,
		"text/plain, */*;q=0.9":      true,
		"text/plain;q=0.5, */*;q=.9": true, // .9 is not a valid quality
		"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8": true, // a browser
		"application/problem+json;q=0.1, */*":                                        true,
		"application/json;q=0.1, application/problem+json, text/plain;q=0.5":         false,
		"application/json;q=0, text/plain;q=0.001":                                   true,
		"text/plain;q=0":                               false,
		"text/plain;q=0, application/json;q=0":         false,
		"text/*;q=0, text/plain":                       true,
		"text/plain;q=0, text/*":                       false,
		"text/plain;q=0.5, text/plain":                 true,
		"text/plain, text/plain;q=0":                   true,
		"image/png":                                    false,
		"text/plain;q=1.001":                           false,
		"text/plain;q=2":                               false,
		"text/plain;q=":                                false,
		"text/plain;q=0.1234":                          false,
		"text/plain;q=1.000":                           true,
		"text/plain;q=1.":                              true,
		"text/plain ; Q=0.7 , application/json; q=0.6": true,
		`text/plain;a="x,application/json;q=1";q=0.9`:  true,
		`text/plain;a="x\",application/json"`:          true,
		`text/plain;a="x, application/json`:            true,
		",,;, text/plain":                              true,
		";q=1":                                         false,
	} {
		require.Equal(t, want, httplimit.PrefersText(accept), accept)
	}
}

// FuzzAccept checks that nothing panics, that blanks and empty elements change nothing,
// and that text is not preferred if the field has neither "text/" nor "*/*".
func FuzzAccept(f *testing.F) {
	f.Add(`text/plain;a="b,\"c";q=0.5, */*`)
	f.Add(`application/json;q=0.1,text/*`)
	f.Fuzz(func(t *testing.T, accept string) {
		got := httplimit.PrefersText(accept)
		require.Equal(t, got, httplimit.PrefersText(", ,"+accept))
		if !strings.Contains(strings.ToLower(accept), "text/") && !strings.Contains(accept, "*/*") {
			require.False(t, got)
		}
		if !strings.Contains(accept, `"`) {
			require.Equal(t, got, httplimit.PrefersText(strings.ReplaceAll(accept, ",", " , ")))
		}
	})
}
