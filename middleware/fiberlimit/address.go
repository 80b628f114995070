package fiberlimit

import (
	"fmt"
	"sync"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/utils/v2"

	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

// Peer is the [Identity] that limits by the address of the other end of the connection, as
// [httplimit.Peer] does. Behind a proxy, the other end is the proxy, so all its clients
// share one identity: use [Address] there.
func Peer(c fiber.Ctx) string { return peer(c) }

var peer, _ = Address(httplimit.Address{}) // the zero Address is valid

// Address returns an identity that limits by the client's address as a describes it. The
// error says which field of a is wrong.
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

// room is memory for the arguments of a walk, which keeps neither.
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
	clear(r.lines) // they are memory of the request
	if cap(r.lines) > 64 {
		r.lines = nil // somebody hostile sent them
	}
	r.lines = r.lines[:0]
	rooms.Put(r)
}
