package redisurl

import "errors"

// These are all the errors of Parse. Their texts are fixed and quote nothing of the URL,
// because any of it may turn out to be a piece of a password. In a password, a "/" that was
// not percent-encoded makes the rest look like a database number; without a host, all of it
// looks like a port.
var (
	errScheme = errors.New("url: scheme: want redis://, rediss:// (TLS) or unix://")

	errEscape = errors.New("url: percent-encoding: want two hexadecimal digits after each %; " +
		"a % that stands for itself is written %25")
	errSpecial = errors.New("url: user and password: want special characters (/ ? # % : @ and spaces) " +
		"percent-encoded, as by url.QueryEscape, and one @ before the host")
	errUserOnly = errors.New("url: password: want one after the user, as in redis://user:password@host; " +
		"a password without a user is written redis://:password@host")

	errHost = errors.New("url: host: want a name or an IP address, as in redis://host:6379 " +
		"or redis://[::1]:6379 (none is assumed, not even localhost)")
	errSeveral = errors.New("url: host: want one address, without a comma; several are written " +
		"redis://host1:6379?addr=host2:6379&addr=host3:6379")
	errPort = errors.New("url: port: want 1 to 65535, as in redis://host:6379")
	errDB   = errors.New("url: db: want one integer of 0 or more, as in redis://host:6379/2 " +
		"or unix:///path/to.sock?db=2")
	errSocket = errors.New("url: path: want the absolute path of a socket, as in unix:///path/to.sock " +
		"(three slashes), an @ in it written %40")

	errParamTCP  = errors.New("url: parameter: want none but addr=host:port, which may be repeated")
	errParamUnix = errors.New("url: parameter: want none but db=number, once")
	errFragment  = errors.New("url: #: want none; one that belongs to a password is written %23")
)
