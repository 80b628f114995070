package fiberlimit

import (
	"net"
	"strings"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/utils/v2"
)

// appendLines appends the lines of a field of the request, in their order. They are
// memory of the request's. The name is told regardless of case even where the app
// has DisableHeaderNormalizing, since proxies do not agree on it.
func appendLines(lines []string, c fiber.Ctx, name string) []string {
	for key, value := range c.Request().Header.All() {
		if len(key) == len(name) && strings.EqualFold(utils.UnsafeString(key), name) {
			lines = append(lines, utils.UnsafeString(value))
		}
	}
	return lines
}

// appendPeer appends the address of the other end of the connection. A Unix socket has
// none: the name that a client gives its own end can look like an address.
func appendPeer(text []byte, c fiber.Ctx) []byte {
	addr := c.RequestCtx().RemoteAddr()
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().AppendTo(text)
	}
	if strings.HasPrefix(addr.Network(), "unix") {
		return text
	}
	return append(text, addr.String()...)
}
