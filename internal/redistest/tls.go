package redistest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Authority is a certificate authority of a test.
type Authority struct {
	// File has its certificate.
	File string

	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Certificate is a certificate for 127.0.0.1, for servers and clients alike.
type Certificate struct {
	CertFile, KeyFile string
	Pair              tls.Certificate
}

// NewAuthority makes an authority. Its files are deleted when the test ends.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{dir: t.TempDir()}
	a.File = filepath.Join(a.dir, "authority.pem")
	template := template()
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err == nil {
		a.cert, err = sign(template, template, a.key, a.key, a.File)
	}
	if err != nil {
		t.Fatalf("redistest: authority: %v", err)
	}
	return a
}

// Issue makes a certificate.
func (a *Authority) Issue(t testing.TB) Certificate {
	t.Helper()
	template := template()
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	file := filepath.Join(a.dir, template.SerialNumber.String())
	c := Certificate{CertFile: file + ".pem", KeyFile: file + ".key"}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err == nil {
		_, err = sign(template, a.cert, key, a.key, c.CertFile)
	}
	var der []byte
	if err == nil {
		der, err = x509.MarshalPKCS8PrivateKey(key)
	}
	if err == nil {
		err = writePEM(c.KeyFile, "PRIVATE KEY", der)
	}
	if err == nil {
		c.Pair, err = tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	}
	if err != nil {
		t.Fatalf("redistest: certificate: %v", err)
	}
	return c
}

// Config returns a client's configuration that trusts the authority and no other.
func (a *Authority) Config() *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}

// StartTLS starts a server, as [Start] does, that also accepts TLS. It returns the server
// and its URL for TLS, "rediss://127.0.0.1:12345". If redis-server was built without TLS, it
// skips the test, and fails it in CI.
func StartTLS(t testing.TB, a *Authority, c Certificate, args ...string) (s *Server, url string) {
	t.Helper()
	port, ok := freePort()
	if !ok {
		t.Fatal("redistest: found no free port")
	}
	flags := []string{
		"--tls-port", strconv.Itoa(port), "--tls-cert-file", c.CertFile, "--tls-key-file", c.KeyFile,
		"--tls-ca-cert-file", a.File, "--tls-auth-clients", "no",
	}
	s, err := try(t, append(flags, args...))
	switch {
	case err == nil:
	case strings.Contains(err.Error(), "Failed finding TLS support"),
		strings.Contains(err.Error(), "'tls-port ") && strings.Contains(err.Error(), "Bad directive"): // older ones
		missing(t, fmt.Sprintf("redis-server has no TLS: install one that was built with it to run this test. %v", err))
	default:
		t.Fatal(err)
	}
	return s, "rediss://" + address(port)
}

func template() *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62)) // never fails
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "redistest " + serial.String()},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
}

// sign makes the certificate of key, issued by parent and signed with signer, the key of
// parent, and writes it to file.
func sign(template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey, file string) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, err
	}
	if err := writePEM(file, "CERTIFICATE", der); err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func writePEM(file, kind string, der []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
