package embedded

import (
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// Now returns the time by the Redis's clock, to the microsecond, as the command TIME does.
func (r *Redis) Now() time.Time { return r.clock.time() }

// Advance moves the clock by d: every key that expires within d is gone when Advance
// returns.
//
// Until the first Advance or SetTime the clock is the real one. From then on it stands still
// between calls of these, so that a test sees the times it expects, to the microsecond. A
// negative d moves the clock back, as SetTime does.
func (r *Redis) Advance(d time.Duration) {
	r.clock.mu.Lock()
	defer r.clock.mu.Unlock()
	r.clock.move(r.clock.now().Add(d))
}

// SetTime sets the clock to t, truncated to the microsecond, where it stands still; see
// Advance. t must be in the years 1970 to 2261. The zero Time makes the clock the real one
// again, which runs.
//
// A key expires at its time by the clock, however the clock got there. A clock that is set
// back gives keys longer to live, as on Redis, but keys that have expired stay gone.
//
// Unlike Redis's clock, the real one here goes on during a script: a key may expire between
// two commands of a script. And it costs each command some 0.5 µs for each key that exists,
// because miniredis counts down the time of every key. If either matters, set the time, for
// instance with SetTime(Now()).
func (r *Redis) SetTime(t time.Time) {
	r.clock.mu.Lock()
	defer r.clock.mu.Unlock()
	if t.IsZero() {
		r.clock.release()
		return
	}
	r.clock.move(t)
}

// clock sets the time of a miniredis.
type clock struct {
	server *miniredis.Miniredis

	mu     sync.Mutex
	pinned time.Time // zero while the real clock is used
}

func newClock(server *miniredis.Miniredis) *clock {
	server.ClockTTL(true) // keys expire as TIME goes on
	return &clock{server: server}
}

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

// now returns the time. c.mu is held.
func (c *clock) now() time.Time {
	if c.pinned.IsZero() {
		return time.Now().Truncate(time.Microsecond)
	}
	return c.pinned
}

// move pins the clock at t. c.mu is held.
func (c *clock) move(t time.Time) {
	from := c.now()
	t = t.Truncate(time.Microsecond)
	c.set(from)
	c.set(t)
	// miniredis keeps how long each key has left to live, not when it expires, and leaves
	// that alone when its clock is set back. A command that comes in between finds keys
	// nearer to their end than they are, but expires none.
	if back := from.Sub(t); back > 0 {
		c.server.FastForward(-back)
	}
	c.pinned = t
}

// release lets the real clock run. c.mu is held.
func (c *clock) release() {
	c.move(time.Now())
	// With ClockTTL on, miniredis would take all keys to be thousands of years older.
	c.server.ClockTTL(false)
	c.server.SetTime(time.Time{})
	c.server.ClockTTL(true)
	c.pinned = time.Time{}
}

// set sets miniredis's clock, and counts down the time of keys if that moves it on.
func (c *clock) set(t time.Time) {
	c.server.SetTime(t)
	c.server.DB(0) // miniredis catches up when something looks at a database
}
