package redistest

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTLS(t *testing.T) {
	a, other := NewAuthority(t), NewAuthority(t)
	s, url := StartTLS(t, a, a.Issue(t))
	require.Equal(t, "PONG", s.MustDo(t, "PING"))

	addr, ok := strings.CutPrefix(url, "rediss://")
	require.True(t, ok)
	c, err := tls.Dial("tcp", addr, a.Config())
	require.NoError(t, err)
	require.NoError(t, c.Close())

	_, err = tls.Dial("tcp", addr, other.Config())
	require.ErrorAs(t, err, new(x509.UnknownAuthorityError))
}
