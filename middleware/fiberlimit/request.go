package fiberlimit

import (
	"net"
	"strings"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/utils/v2"
)

// appendLines appends the lines of a field of the request, in their order. They are in
// memory of the request. Case does not matter in the name, even if the app has
// DisableHeaderNormalizing, because proxies do not agree on it.
func appendLines(lines []string, c fiber.Ctx, name string) []string {
	for key, value := range c.Request().Header.All() {
		if len(key) == len(name) && strings.EqualFold(utils.UnsafeString(key), name) {
			lines = append(lines, utils.UnsafeString(value))
		}
	}
	return lines
}

// appendPeer appends the address of the other end of the connection. It appends nothing
// for a Unix socket, whose client may give its own end a name that looks like an address.
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
