package drivertest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// connection: the user, password, database and socket of the URL are used.
func connection(t *testing.T, d Driver) {
	redistest.Needs(t, 6, 0)
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

// denied requires err to be an error reply with the code prefix.
func denied(t *testing.T, err error, prefix string) {
	t.Helper()
	server := (*store.ServerError)(nil)
	require.ErrorAs(t, err, &server)
	require.Equal(t, prefix, server.Prefix(), server.Message)
}

// tlsServer: with rediss, the client checks the server's certificate, and can show one of
// its own.
func tlsServer(t *testing.T, d Driver) {
	authority := redistest.NewAuthority(t)
	server, url := redistest.StartTLS(t, authority, authority.Issue(t), "--tls-auth-clients", "yes")
	server.MustDo(t, "ACL", "SETUSER", "limiter", "on", ">s3cret", "~app:*", "+@all")
	address := strings.TrimPrefix(url, "rediss://")

	config := authority.Config()
	config.Certificates = []tls.Certificate{authority.Issue(t).Pair}
	s := open1(t, d, url, func(o *driver.Options) { o.TLSConfig = config })
	require.Equal(t, []int64{1}, run(t, s, incr, []string{"k"}))

	s = open1(t, d, "rediss://limiter:s3cret@"+address, func(o *driver.Options) { o.TLSConfig = config })
	require.Equal(t, []int64{1}, run(t, s, incr, []string{"app:k"}))
	_, err := s.Run(context.Background(), incr, []string{"other"}, nil)
	denied(t, err, "NOPERM")

	// The certificate is for the address, not for the name.
	_, port, _ := net.SplitHostPort(address)
	s = open1(t, d, "rediss://localhost:"+port, func(o *driver.Options) { o.TLSConfig = config })
	_, err = s.Run(context.Background(), incr, []string{"k"}, nil)
	another := x509.HostnameError{}
	require.ErrorAs(t, err, &another)

	// Another authority signs the same kind of certificate.
	s = open1(t, d, url, func(o *driver.Options) { o.TLSConfig = redistest.NewAuthority(t).Config() })
	_, err = s.Run(context.Background(), incr, []string{"k"}, nil)
	require.ErrorContains(t, err, "x509")

	s = open1(t, d, url)
	_, err = s.Run(context.Background(), incr, []string{"k"}, nil)
	unknown := x509.UnknownAuthorityError{}
	require.ErrorAs(t, err, &unknown)

	s = open1(t, d, "redis://"+address)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, err = s.Run(ctx, incr, []string{"k"}, nil)
	require.Error(t, err)
}

// quoted: no error contains the password when a server, or a sentinel, quotes it.
func quoted(t *testing.T, d Driver) {
	const password = "Hunter2Secret"
	const reply = "ERR bad password '" + password + "'"
	for name, c := range map[string]struct {
		user string // of the URL
		open func(*driver.Options)
	}{
		"Server":   {":" + password + "@", func(*driver.Options) {}},
		"Cluster":  {":" + password + "@", withCluster},
		"Sentinel": {"", func(o *driver.Options) { withSentinel(o); o.SentinelAuth, o.SentinelPassword = true, password }},
		"Master":   {":" + password + "@", withSentinel},
	} {
		t.Run(name, func(t *testing.T) {
			for _, commands := range [][]string{{"AUTH"}, {"HELLO", "AUTH"}} {
				f := startFake(t)
				f.set("*1\r\n:7\r\n")
				f.say("-"+reply+"\r\n", commands...)
				s := open1(t, d, "redis://"+c.user+f.addr(), c.open)
				for range 2 {
					ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
					_, err := s.Run(ctx, incr, []string{"k"}, nil)
					cancel()
					require.Error(t, err)
					for _, text := range texts(err) {
						require.NotContains(t, text, password)
					}
				}
			}
		})
	}
}

// texts returns the text of err, and the texts of all errors that it wraps.
func texts(err error) []string {
	all := []string{err.Error()}
	for _, cause := range Causes(err) {
		all = append(all, texts(cause)...)
	}
	return all
}

// Causes returns the errors that err wraps directly.
func Causes(err error) []error {
	switch err := err.(type) { //nolint:errorlint // one at a time
	case interface{ Unwrap() error }:
		if cause := err.Unwrap(); cause != nil {
			return []error{cause}
		}
	case interface{ Unwrap() []error }:
		return err.Unwrap()
	}
	return nil
}
