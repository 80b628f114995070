package httplimit_test

import (
	"context"
	"net/http"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

type tenantKey struct{}

func request(changes ...func(*http.Request)) *http.Request {
	r := &http.Request{Header: http.Header{}, RemoteAddr: "192.0.2.1:1234"}
	for _, change := range changes {
		change(r)
	}
	return r
}

func TestHeaderIdentity(t *testing.T) {
	key, err := httplimit.Header("X-API-key")
	require.NoError(t, err)
	require.Equal(t, "header:x-api-key:k", key(request(with("X-Api-Key", "k"))))
	require.Empty(t, key(request()))
	require.Empty(t, key(request(with("X-Api-Key", ""))))
	require.Empty(t, key(request(with("X-Api-Key", "a"), with("X-Api-Key", "b"))))
	for _, bad := range []string{"", "a b", "a:b", "é", "host"} {
		_, err := httplimit.Header(bad)
		require.ErrorContains(t, err, "header is", bad)
	}
}

func TestBasicAuth(t *testing.T) {
	require.Equal(t, "user:alice", httplimit.BasicAuth(request(func(r *http.Request) { r.SetBasicAuth("alice", "secret") })))
	require.Empty(t, httplimit.BasicAuth(request(func(r *http.Request) { r.SetBasicAuth("", "secret") })))
	require.Empty(t, httplimit.BasicAuth(request(with("Authorization", "Basic !"))))
	require.Empty(t, httplimit.BasicAuth(request()))
}

func TestContextValue(t *testing.T) {
	type name string
	type id uint32
	tenant, err := httplimit.ContextValue("tenant", tenantKey{})
	require.NoError(t, err)
	for _, test := range []struct {
		value any
		want  string
	}{
		{"acme", "value:tenant:acme"},
		{name("acme"), "value:tenant:acme"},
		{-7, "value:tenant:-7"},
		{id(7), "value:tenant:7"},
		{netip.MustParseAddr("::1"), "value:tenant:::1"},
		{"", ""},
		{nil, ""},
		{(*netip.Addr)(nil), ""},
		{1.5, ""},
		{[]byte("acme"), ""},
	} {
		r := request()
		require.Equal(t, test.want, tenant(r.WithContext(context.WithValue(r.Context(), tenantKey{}, test.value))))
	}
	require.Empty(t, tenant(request()))
	for _, test := range []struct {
		name string
		key  any
		want string
	}{
		{"", tenantKey{}, `name of a context value is ""`},
		{"a:b", tenantKey{}, `name of a context value is "a:b"`},
		{"a", nil, `key of context value "a" is nil`},
		{"a", []int{1}, `key of context value "a" is of type []int`},
		{"a", [1]any{[]int{1}}, `key of context value "a" is of type [1]interface {}`},
	} {
		_, err := httplimit.ContextValue(test.name, test.key)
		require.ErrorContains(t, err, test.want)
	}
}

func TestFirst(t *testing.T) {
	key, err := httplimit.Header("Key")
	require.NoError(t, err)
	first := httplimit.First(key, httplimit.Peer)
	require.Equal(t, "first0:header:key:k", first(request(with("Key", "k"))))
	require.Equal(t, "first1:ip:192.0.2.1", first(request()))
	require.Empty(t, first(request(func(r *http.Request) { r.RemoteAddr = "@" })))

	raw := func(r *http.Request) string { return r.Header.Get("Key") } // an identity of the user's own
	first = httplimit.First(raw, httplimit.Peer)
	require.NotEqual(t, first(request()), first(request(with("Key", "ip:192.0.2.1"))), "no key passes for an address")
	require.NotEqual(t, first(request()), first(request(with("Key", "first1:ip:192.0.2.1"))))
}

// Two lists of texts that differ never give the same identity, whatever the texts are.
func TestAllIsInjective(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune("1:all,0")), 1, 8, -1)
		a, b := text.Draw(t, "a"), text.Draw(t, "b")
		c, d := text.Draw(t, "c"), text.Draw(t, "d")
		all := func(texts ...string) string {
			var identities []httplimit.Identity
			for _, text := range texts {
				identities = append(identities, func(*http.Request) string { return text })
			}
			return httplimit.All(identities...)(request())
		}
		require.Equal(t, a == c && b == d, all(a, b) == all(c, d))
		require.NotEqual(t, all(a, b), all(a))
	})
	require.Empty(t, httplimit.All(alice, func(*http.Request) string { return "" })(request()))
}
