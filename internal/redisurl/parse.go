package redisurl

import (
	"math"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Parse reads a URL. It does no network I/O.
//
// Its errors name the part of the URL that is wrong and what is wanted there. They quote
// nothing, because a part that is misread as another may be a piece of a password. That is
// why Parse does not leave the work to net/url, whose errors quote the URL.
func Parse(raw string) (*Config, error) {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return nil, errScheme
	}
	if strings.ContainsRune(rest, '#') {
		return nil, errFragment
	}
	switch strings.ToLower(scheme) {
	case "redis":
		return parseTCP(rest, false)
	case "rediss":
		return parseTCP(rest, true)
	case "unix":
		return parseUnix(rest)
	}
	return nil, errScheme
}

// parseTCP reads what follows redis:// or rediss://.
func parseTCP(rest string, tls bool) (*Config, error) {
	parts, err := split(rest)
	if err != nil {
		return nil, err
	}
	c := &Config{Network: "tcp", TLS: tls, Username: parts.user, Password: parts.password}
	addr, err := parseAddr(parts.host)
	if err != nil {
		return nil, err
	}
	c.Addrs = append(c.Addrs, addr)
	if db := strings.TrimPrefix(parts.path, "/"); db != "" {
		if c.DB, err = parseDB(db); err != nil {
			return nil, err
		}
	}
	for _, param := range parts.params {
		value, ok := strings.CutPrefix(param, "addr=")
		if !ok {
			return nil, errParamTCP
		}
		if value, err = unescape(value); err != nil {
			return nil, err
		}
		if addr, err = parseAddr(value); err != nil {
			return nil, err
		}
		c.Addrs = append(c.Addrs, addr)
	}
	return c, nil
}

// parseUnix reads what follows unix://.
func parseUnix(rest string) (*Config, error) {
	parts, err := split(rest)
	if err != nil {
		return nil, err
	}
	c := &Config{Network: "unix", Username: parts.user, Password: parts.password}
	path, err := unescape(parts.path)
	if err != nil {
		return nil, err
	}
	if parts.host != "" || len(path) < 2 {
		return nil, errSocket
	}
	c.Addrs = []string{path}
	switch len(parts.params) {
	case 0:
		return c, nil
	case 1:
		value, ok := strings.CutPrefix(parts.params[0], "db=")
		if !ok {
			return nil, errParamUnix
		}
		c.DB, err = parseDB(value)
		if err != nil {
			return nil, err
		}
		return c, nil
	}
	return nil, errParamUnix
}

// parts are the parts of a URL after its scheme. User and password are decoded; the others
// are as written.
type parts struct {
	user, password string
	host           string
	path           string // "", or begins with a slash
	params         []string
}

// split takes a URL apart after its scheme: [user:password@]host[/path][?params].
func split(rest string) (p parts, err error) {
	authority := rest
	if end := strings.IndexAny(rest, "/?"); end >= 0 {
		authority, rest = rest[:end], rest[end:]
	} else {
		rest = ""
	}
	// Nothing after the host may contain an @. So this one ends a password in which a slash
	// or a question mark was not encoded.
	if strings.ContainsRune(rest, '@') {
		return p, errSpecial
	}
	p.host = authority
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		p.host = authority[at+1:]
		if err := p.credentials(authority[:at]); err != nil {
			return p, err
		}
	}
	var query string
	p.path, query, _ = strings.Cut(rest, "?")
	if query != "" {
		p.params = strings.Split(query, "&")
	}
	return p, nil
}

// credentials reads user:password. It takes a further @ or colon as it is, as net/url does.
func (p *parts) credentials(userinfo string) (err error) {
	if strings.ContainsFunc(userinfo, isSpace) {
		return errSpecial
	}
	user, password, _ := strings.Cut(userinfo, ":")
	if p.user, err = unescape(user); err != nil {
		return err
	}
	if p.password, err = unescape(password); err != nil {
		return err
	}
	// Clients differ in how they treat a user without a password; one of them logs in as the
	// default user instead.
	if p.user != "" && p.password == "" {
		return errUserOnly
	}
	return nil
}

// parseAddr reads host[:port] and returns host:port.
func parseAddr(s string) (string, error) {
	if strings.Contains(s, ",") { // it would be part of a name that no server has
		return "", errSeveral
	}
	host, port := s, DefaultPort
	if bracket, after, ok := strings.Cut(s, "]"); ok {
		ip, ok := strings.CutPrefix(bracket, "[")
		if !ok {
			return "", errHost
		}
		ip, err := unescape(ip) // the % before a zone is written %25
		if err != nil {
			return "", err
		}
		if addr, err := netip.ParseAddr(ip); err != nil || !addr.Is6() {
			return "", errHost
		}
		host = ip
		if after != "" {
			if port, ok = strings.CutPrefix(after, ":"); !ok {
				return "", errPort
			}
		}
	} else {
		if before, after, ok := strings.Cut(s, ":"); ok {
			host, port = before, after
		}
		if host == "" || strings.ContainsAny(host, `%[<>"\^{|}@/?#`+"`") || strings.ContainsFunc(host, isSpace) {
			return "", errHost
		}
	}
	if n, err := parseNumber(port, math.MaxUint16); err != nil || n == 0 {
		return "", errPort
	}
	return net.JoinHostPort(host, port), nil
}

// parseDB reads the number of a database.
func parseDB(s string) (int, error) {
	n, err := parseNumber(s, math.MaxInt32)
	if err != nil {
		return 0, errDB
	}
	return n, nil
}

// parseNumber reads decimal digits and, unlike strconv.Atoi, no sign. Its error is not for
// people: the text quotes s.
func parseNumber(s string, most int) (int, error) {
	if strings.Trim(s, "0123456789") != "" {
		return 0, strconv.ErrSyntax
	}
	n, err := strconv.Atoi(s)
	if err == nil && n > most {
		err = strconv.ErrRange
	}
	return n, err
}

// unescape decodes the percent-encoding of s; a plus is a plus.
func unescape(s string) (string, error) {
	s, err := url.PathUnescape(s)
	if err != nil {
		return "", errEscape
	}
	return s, nil
}

// isSpace reports whether r is a space or a control character, which must be encoded in any
// part of a URL.
func isSpace(r rune) bool { return r <= ' ' || r == 0x7f }
