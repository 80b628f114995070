// Package redisurl reads the URLs that name a Redis, so that every driver of
// this module accepts the same text:
//
//	redis://[user[:password]@]host[:port][/db][?addr=host2:port2&addr=…]
//	rediss://…                                  the same, over TLS
//	unix://[user:password@]/path/to.sock[?db=n]
//
// Characters of a user, a password or a path that have a meaning in a URL (/ ? # % : @,
// spaces) must be percent-encoded, as net/url.QueryEscape or encodeURIComponent do.
package redisurl

import (
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
)

// DefaultPort is the port of an address without one.
const DefaultPort = "6379"

// Config is what a URL says. Formatting one, with whatever verb, shows that it
// has a password but never the password.
type Config struct {
	// Network is "tcp" or "unix".
	Network string
	// Addrs has the host:port of the URL's host and of each addr parameter, in this order,
	// or the only path of a socket. It is never empty.
	Addrs []string
	// TLS is true for rediss.
	TLS bool
	// Username is "" for Redis's default user. It is never set without Password.
	Username string
	// Password is "" if there is no authentication.
	Password string
	// DB is the number of the database, 0 or more. It is 0 if the URL names none.
	DB int
}

// String returns the URL, with xxxxx in place of a password.
func (c Config) String() string {
	var b strings.Builder
	switch {
	case c.Network == "unix":
		b.WriteString("unix://")
	case c.TLS:
		b.WriteString("rediss://")
	default:
		b.WriteString("redis://")
	}
	if c.Password != "" {
		b.WriteString(url.QueryEscape(c.Username) + ":xxxxx@")
	}
	if len(c.Addrs) == 0 {
		return b.String()
	}
	b.WriteString(c.Addrs[0])
	separator := "?"
	switch {
	case c.DB != 0 && c.Network == "unix":
		b.WriteString("?db=" + strconv.Itoa(c.DB))
		separator = "&"
	case c.DB != 0:
		b.WriteString("/" + strconv.Itoa(c.DB))
	}
	for _, addr := range c.Addrs[1:] {
		b.WriteString(separator + "addr=" + addr)
		separator = "&"
	}
	return b.String()
}

// Format implements fmt.Formatter, so that no verb shows the fields.
func (c Config) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }
