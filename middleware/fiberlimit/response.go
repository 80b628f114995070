package fiberlimit

import (
	"bytes"
	"strings"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/utils/v2"

	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

// setFields sets the header fields that describe d. It merges them with those that the
// response already has.
func setFields(g *httplimit.Guard, c fiber.Ctx, d *httplimit.Decision) {
	header := &c.Response().Header
	several := "" // the field asked for last among those with several lines
	get := func(name string) string {
		lines := header.PeekAll(name)
		switch len(lines) {
		case 0:
			return ""
		case 1:
			return utils.UnsafeString(lines[0]) // SetFields does not keep it
		}
		several = name
		return string(bytes.Join(lines, []byte(", ")))
	}
	set := func(name, value string) {
		if name == several {
			header.Del(name) // Set would leave all but the first
		}
		header.SetCanonical(utils.UnsafeBytes(name), utils.UnsafeBytes(value)) // copies both
	}
	g.SetFields(*d, get, set)
}

// refuse answers a request instead of the next handler.
func refuse(g *httplimit.Guard, c fiber.Ctx, d *httplimit.Decision) error {
	reply := g.Reply(*d, strings.Join(appendLines(nil, c, fiber.HeaderAccept), ", "))
	response := c.Response()
	response.ResetBody()
	response.SetStatusCode(reply.Status)
	if reply.Body == "" {
		return nil
	}
	for _, name := range []string{fiber.HeaderContentEncoding, fiber.HeaderETag, fiber.HeaderLastModified} {
		response.Header.Del(name) // it would describe the next handler's response
	}
	response.Header.SetContentType(reply.ContentType)
	response.Header.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	response.SetBodyString(reply.Body) // not sent if the method is HEAD
	return nil
}
