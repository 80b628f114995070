package driver

import (
	"crypto/tls"
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTLSConfig checks that rediss means TLS 1.2 or later, with the system's authorities and
// the name of the host (which dialers fill in where ServerName is empty), and that a config
// that is given instead is copied.
func TestTLSConfig(t *testing.T) {
	target, err := Resolve("rediss://user:secret@host", Options{})
	require.NoError(t, err)
	require.Equal(t, &tls.Config{MinVersion: tls.VersionTLS12}, target.TLSConfig, "nothing else, InsecureSkipVerify least of all")

	given := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "redis.internal", MinVersion: tls.VersionTLS13}
	target, err = Resolve("rediss://host", Options{TLSConfig: given})
	require.NoError(t, err)
	require.NotSame(t, given, target.TLSConfig)
	given.InsecureSkipVerify = true
	require.False(t, target.TLSConfig.InsecureSkipVerify)
	require.Equal(t, "redis.internal", target.TLSConfig.ServerName)
	require.Equal(t, uint16(tls.VersionTLS13), target.TLSConfig.MinVersion)
	require.Same(t, given.RootCAs, target.TLSConfig.RootCAs)

	target, err = Resolve("redis://host", Options{})
	require.NoError(t, err)
	require.Nil(t, target.TLSConfig)
	_, err = Resolve("redis://host", Options{TLSConfig: given})
	require.ErrorIs(t, err, errTLS, "or the traffic would go in the clear")
}
