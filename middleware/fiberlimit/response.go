package fiberlimit

import (
	"bytes"
	"strings"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/utils/v2"

	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

// setFields sets the header fields that tell of d, as one set with those that the
// response has already.
func setFields(g *httplimit.Guard, c fiber.Ctx, d *httplimit.Decision) {
	header := &c.Response().Header
	several := "" // the field asked for last that has several lines
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
		header.SetCanonical(utils.UnsafeBytes(name), utils.UnsafeBytes(value)) // which copies them
	}
	g.SetFields(*d, get, set)
}

// refuse answers a request in the next handler's stead.
func refuse(g *httplimit.Guard, c fiber.Ctx, d *httplimit.Decision) error {
	reply := g.Reply(*d, strings.Join(appendLines(nil, c, fiber.HeaderAccept), ", "))
	response := c.Response()
	response.ResetBody()
	response.SetStatusCode(reply.Status)
	if reply.Body == "" {
		return nil
	}
	for _, name := range []string{fiber.HeaderContentEncoding, fiber.HeaderETag, fiber.HeaderLastModified} {
		response.Header.Del(name) // they would be the next handler's
	}
	response.Header.SetContentType(reply.ContentType)
	response.Header.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	response.SetBodyString(reply.Body) // which is not sent where the method is HEAD
	return nil
}
