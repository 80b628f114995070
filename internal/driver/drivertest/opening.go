package drivertest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
)

// open: Open does not connect, refuses settings that do not fit together, and reveals the
// password to nobody.
func open(t *testing.T, d Driver) {
	const password = "Hunter2Secret"
	t.Run("NoNetwork", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer func() { _ = l.Close() }()
		url := "redis://" + l.Addr().String()
		for _, o := range []driver.Options{{}, {Cluster: true}, {Sentinel: true, MasterName: "main"}} {
			s, err := d.Open(url, o)
			require.NoError(t, err)
			require.NoError(t, s.Close())
			require.NoError(t, s.Close(), "again")
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			_, err = s.Run(ctx, incr, []string{"k"}, nil)
			require.Error(t, err, "closed")
			name, rest, _ := strings.Cut(err.Error(), ": ")
			require.False(t, strings.HasPrefix(rest, name+": "), "%v", err)
			require.NoError(t, ctx.Err())
			cancel()
		}
		tcp, ok := l.(*net.TCPListener)
		require.True(t, ok)
		require.NoError(t, tcp.SetDeadline(time.Now().Add(50*time.Millisecond)))
		_, err = l.Accept()
		require.True(t, errors.Is(err, os.ErrDeadlineExceeded), "a connection was made: %v", err)
	})
	t.Run("Refuses", func(t *testing.T) {
		for _, test := range []struct {
			url  string
			o    driver.Options
			want string
		}{
			{"redis://user:" + password, driver.Options{}, "port"},
			{"redis://:a/" + password + "@host", driver.Options{}, "percent-encoded"},
			{"redis://:" + password + "@a?addr=b", driver.Options{}, "WithCluster"},
			{"redis://:" + password + "@a?addr=b", driver.Options{}, "WithSentinel"},
			{"redis://:" + password + "@a", driver.Options{Cluster: true, Sentinel: true, MasterName: "x"}, "at most one"},
			{"redis://:" + password + "@a/1", driver.Options{Cluster: true}, "db"},
			{"redis://:" + password + "@a", driver.Options{Sentinel: true}, "master name"},
			{"redis://a", driver.Options{SentinelAuth: true, SentinelPassword: password}, "WithSentinel"},
			{"unix://:" + password + "@/a", driver.Options{Cluster: true}, "unix"},
			{"unix://:" + password + "@/a", driver.Options{Sentinel: true, MasterName: "x"}, "unix"},
			{"redis://:" + password + "@a", driver.Options{TLSConfig: &tls.Config{}}, "rediss"}, //nolint:gosec // not used
		} {
			_, err := d.Open(test.url, test.o)
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), password)
		}
	})
	t.Run("Format", func(t *testing.T) {
		for _, o := range []driver.Options{{}, {Cluster: true}, {Sentinel: true, MasterName: "x", SentinelAuth: true, SentinelPassword: password}} {
			s := open1(t, d, "redis://user:"+password+"@127.0.0.1:1", func(options *driver.Options) { *options = o })
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
				text := fmt.Sprintf(verb, s)
				require.NotContains(t, text, password)
				require.Contains(t, text, "redis://user:xxxxx@127.0.0.1:1")
				require.NotContains(t, fmt.Sprintf(verb, struct{ S Opened }{s}), password)
			}
		}
	})
}
