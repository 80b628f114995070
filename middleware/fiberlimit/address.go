package fiberlimit

import (
	"fmt"
	"sync"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/utils/v2"

	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

// Peer is the [Identity] that is the address of the other end of the connection, as
// [httplimit.Peer] is. Behind a proxy that is the proxy's address, and all clients
// are one: there use [Address].
func Peer(c fiber.Ctx) string { return peer(c) }

var peer, _ = Address(httplimit.Address{}) // it cannot be wrong

// Address returns the identity that is the client's address, told as a says. The
// error names what of a is wrong.
func Address(a httplimit.Address) (Identity, error) {
	walk, err := a.Walk()
	if err != nil {
		return nil, fmt.Errorf("fiberlimit: %w", err)
	}
	header := a.Header
	switch {
	case a.Hops == 0 && len(a.Trusted) == 0:
		return func(c fiber.Ctx) string {
			r := rooms.Get().(*room)
			defer r.put()
			return walk(r.peerOf(c), nil)
		}, nil
	case header == "":
		header = fiber.HeaderXForwardedFor
	}
	return func(c fiber.Ctx) string {
		r := rooms.Get().(*room)
		defer r.put()
		r.lines = appendLines(r.lines, c, header)
		return walk(r.peerOf(c), r.lines)
	}, nil
}

// room is what a walk needs, which keeps none of it.
type room struct {
	peer  []byte
	lines []string
}

var rooms = sync.Pool{New: func() any { return &room{} }}

func (r *room) peerOf(c fiber.Ctx) string {
	r.peer = appendPeer(r.peer[:0], c)
	return utils.UnsafeString(r.peer)
}

func (r *room) put() {
	clear(r.lines) // they are memory of a request's
	if cap(r.lines) > 64 {
		r.lines = nil // of somebody hostile
	}
	r.lines = r.lines[:0]
	rooms.Put(r)
}
