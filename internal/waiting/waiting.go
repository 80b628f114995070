// Package waiting has requests that were denied wait until they are allowed. Of those
// of one identity one asks at a time, in the order in which they came, so a thousand
// that wait load Redis as one does.
package waiting

import (
	"context"
	"sync"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// Lines are the lines of identities whose requests wait. The zero value has none. It is
// safe for concurrent use.
type Lines struct {
	mu    sync.Mutex
	lines map[string]*line
}

// line is a line of requests that wait for units of one identity.
type line struct {
	turn     chan struct{} // of capacity 1: full while somebody has the turn to ask
	requests int           // in the line
}

// Any reports whether anybody waits for units of identity.
func (l *Lines) Any(identity string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines[identity] != nil
}

// Await waits for units of identity, for longest at most, and not for what the end of
// ctx would spoil. The request was denied, and told to come back after retryAfter. Await
// calls ask when it should be asked for again; ask reports whether it is denied still, and
// when to come back. The error is ctx's, if that ended; otherwise what ask said last, or
// the first denial, holds.
func (l *Lines) Await(ctx context.Context, identity string, longest, retryAfter time.Duration, ask func() (retryAfter time.Duration, denied bool)) error {
	end := time.Now().Add(longest)
	latest := end // when the units would still be of use
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(end) {
		latest = deadline
	}
	if tooLong(retryAfter, latest) {
		return nil
	}
	line := l.join(identity)
	defer l.leave(identity, line)
	waited, inTime, err := line.wait(ctx, end)
	if err != nil || !inTime {
		return err
	}
	defer func() { <-line.turn }()
	denied := true
	if waited { // what it was told is out of date
		retryAfter, denied = ask()
	}
	for denied && !tooLong(retryAfter, latest) {
		if err := sleep(ctx, retryAfter); err != nil {
			return err
		}
		retryAfter, denied = ask()
	}
	return nil
}

// tooLong reports whether no wait helps, or none that ends by latest.
func tooLong(retryAfter time.Duration, latest time.Time) bool {
	return retryAfter == algorithm.Never || time.Until(latest) < retryAfter
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *Lines) join(identity string) *line {
	l.mu.Lock()
	defer l.mu.Unlock()
	found, ok := l.lines[identity]
	if !ok {
		if l.lines == nil {
			l.lines = map[string]*line{}
		}
		found = &line{turn: make(chan struct{}, 1)}
		l.lines[identity] = found
	}
	found.requests++
	return found
}

func (l *Lines) leave(identity string, line *line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if line.requests--; line.requests == 0 {
		delete(l.lines, identity)
	}
}

// wait waits for the turn. It reports whether there was a wait, and whether the turn came
// by end. Go's channels serve in the order of arrival.
func (l *line) wait(ctx context.Context, end time.Time) (waited, inTime bool, err error) {
	select {
	case l.turn <- struct{}{}:
		return false, true, nil
	default:
	}
	timer := time.NewTimer(time.Until(end))
	defer timer.Stop()
	select {
	case l.turn <- struct{}{}:
		return true, true, nil
	case <-timer.C:
		return true, false, nil
	case <-ctx.Done():
		return true, false, ctx.Err()
	}
}
