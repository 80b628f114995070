package grpclimit

import (
	"context"
	"strconv"
	"time"
)

// shortest is the least time between two questions to the limiter by a waiting call.
const shortest = time.Millisecond

// admit returns nil if the call is let through, at once or after a wait.
func (c client) admit(ctx context.Context, call Call) error {
	d, err := c.decide(ctx, call)
	if d != nil && d.passes() && c.wait > 0 {
		ended := c.lines.Await(ctx, c.who(ctx, call), c.wait, d.pause(), func() (time.Duration, bool) {
			if d, err = c.decide(ctx, call); d == nil || !d.passes() {
				return 0, false
			}
			return d.pause(), true
		})
		if ended != nil {
			return failed(ended)
		}
	}
	if d != nil {
		return c.answer(ctx, d)
	}
	return err
}

// pause returns how long a call with this denial waits before it asks again.
func (d *Denial) pause() time.Duration { return max(d.RetryAfter, shortest) }

// who returns the identities of the call under all limits, as one text.
func (g *guard) who(ctx context.Context, call Call) string {
	var all []byte
	for i := range g.limits {
		text := g.limits[i].Identity(ctx, call)
		all = append(strconv.AppendInt(all, int64(len(text)), 10), ':')
		all = append(all, text...)
	}
	return string(all)
}
