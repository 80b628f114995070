package drivertest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// connection: user, password, database and socket of the URL are used.
func connection(t *testing.T, d Driver) {
	socket := filepath.Join(t.TempDir(), "redis.sock")
	server := redistest.Start(t, "--unixsocket", socket)
	const password = "s3cr:t/p@ss?w%rd #1"
	server.MustDo(t, "ACL", "SETUSER", "li:mi@ter", "on", ">"+password, "~app:*", "+@all")
	escaped := url.QueryEscape("li:mi@ter") + ":" + url.PathEscape(password)

	t.Run("User", func(t *testing.T) {
		s := open1(t, d, "redis://"+escaped+"@"+server.Addr())
		run(t, s, incr, []string{"app:k"})
		_, err := s.Run(context.Background(), incr, []string{"other"}, nil)
		denied(t, err, "NOPERM")
	})
	t.Run("WrongPassword", func(t *testing.T) {
		s := open1(t, d, "redis://:wr0ngs3cr3t@"+server.Addr())
		server.MustDo(t, "CONFIG", "SET", "requirepass", "right")
		defer func() {
			s := open1(t, d, "redis://:right@"+server.Addr())
			run(t, s, store.NewScript("x", `redis.call('PING') return {}`), nil)
		}()
		for range 2 {
			_, err := s.Run(context.Background(), incr, []string{"app:k"}, nil)
			denied(t, err, "WRONGPASS")
			require.NotContains(t, err.Error(), "wr0ngs3cr3t")
		}
		s = open1(t, d, server.URL())
		_, err := s.Run(context.Background(), incr, []string{"app:k"}, nil)
		denied(t, err, "NOAUTH")
	})
	t.Run("UnixSocket", func(t *testing.T) {
		s := open1(t, d, "unix://"+escaped+"@"+socket+"?db=3")
		run(t, s, incr, []string{"app:unix"})
		s = open1(t, d, "redis://"+escaped+"@"+server.Addr()+"/3")
		require.Equal(t, []int64{2}, run(t, s, incr, []string{"app:unix"}))
		s = open1(t, d, "redis://"+escaped+"@"+server.Addr()+"/2")
		require.Equal(t, []int64{1}, run(t, s, incr, []string{"app:unix"}))
	})
	t.Run("NoSuchDatabase", func(t *testing.T) {
		s := open1(t, d, "redis://"+escaped+"@"+server.Addr()+"/999")
		_, err := s.Run(context.Background(), incr, []string{"app:k"}, nil)
		denied(t, err, "ERR")
	})
}

// denied requires err to be a reply with that code.
func denied(t *testing.T, err error, prefix string) {
	t.Helper()
	server := (*store.ServerError)(nil)
	require.ErrorAs(t, err, &server)
	require.Equal(t, prefix, server.Prefix(), server.Message)
}

// tlsServer: rediss checks the server's certificate, and can show one.
func tlsServer(t *testing.T, d Driver) {
	binary := redistest.Binary(t)
	files := certificates(t)
	port := strconv.Itoa(freePort(t))
	flags := []string{
		"--tls-port", port, "--tls-cert-file", files.cert, "--tls-key-file", files.key,
		"--tls-ca-cert-file", files.ca, "--tls-auth-clients", "yes",
	}
	// A server that is built without TLS stumbles over the first flag of these.
	out, _ := exec.Command(binary, append(flags, "--no-such-flag", "x")...).CombinedOutput()
	if !strings.Contains(string(out), "no-such-flag") {
		t.Skipf("redis-server has no TLS: install one that was built with it to run this test. It said: %s", out)
	}
	redistest.Start(t, flags...)
	address := "127.0.0.1:" + port

	s := open1(t, d, "rediss://"+address, func(o *driver.Options) { o.TLSConfig = files.config })
	require.Equal(t, []int64{1}, run(t, s, incr, []string{"k"}))

	s = open1(t, d, "rediss://"+address)
	_, err := s.Run(context.Background(), incr, []string{"k"}, nil)
	unknown := x509.UnknownAuthorityError{}
	require.ErrorAs(t, err, &unknown)

	s = open1(t, d, "redis://"+address)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, err = s.Run(ctx, incr, []string{"k"}, nil)
	require.Error(t, err)
}

type certFiles struct {
	ca, cert, key string
	config        *tls.Config
}

// certificates makes an authority, and a certificate of it for both sides.
func certificates(t *testing.T) certFiles {
	t.Helper()
	dir := t.TempDir()
	template := func(serial int64) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial),
			Subject:      pkix.Name{CommonName: "ratelimit test " + strconv.FormatInt(serial, 10)},
			NotBefore:    time.Now().Add(-time.Hour),
			NotAfter:     time.Now().Add(time.Hour),
		}
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	ca := template(1)
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	require.NoError(t, err)
	ca, err = x509.ParseCertificate(caDER)
	require.NoError(t, err)

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	leaf := template(2)
	leaf.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	leaf.KeyUsage = x509.KeyUsageDigitalSignature
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)

	files := certFiles{
		ca:   filepath.Join(dir, "ca.pem"),
		cert: filepath.Join(dir, "cert.pem"),
		key:  filepath.Join(dir, "key.pem"),
	}
	for name, block := range map[string]*pem.Block{
		files.ca:   {Type: "CERTIFICATE", Bytes: caDER},
		files.cert: {Type: "CERTIFICATE", Bytes: der},
		files.key:  {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		require.NoError(t, os.WriteFile(name, pem.EncodeToMemory(block), 0o600))
	}
	pair, err := tls.LoadX509KeyPair(files.cert, files.key)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	files.config = &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	return files
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	addr, ok := l.Addr().(*net.TCPAddr)
	require.True(t, ok)
	return addr.Port
}
