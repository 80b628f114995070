// Package waiting makes requests that were denied wait until they are allowed. Of those for
// one identity, one at a time asks, in the order in which they came, so a thousand that wait
// load Redis as one does.
package waiting

import (
	"context"
	"sync"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// Lines has a line of waiting requests for each identity. The zero value is empty and ready
// for use. It is safe for concurrent use.
type Lines struct {
	mu    sync.Mutex
	lines map[string]*line
}

// line is a line of requests that wait for units of one identity.
type line struct {
	turn     chan struct{} // of capacity 1: full while a request has the turn to ask
	requests int           // how many are in the line
}

// Any reports whether requests wait for units of identity.
func (l *Lines) Any(identity string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines[identity] != nil
}

// Await waits for units of identity, after a request was denied and told to come back after
// retryAfter. It calls ask when the request should be made again; ask reports whether it is
// still denied, and when to come back. Await returns once the request is allowed. It gives up
// when longest has passed, or as soon as it is told that the units will not come by then, or
// by ctx's deadline. Its error is ctx's, if ctx ended. Otherwise it is nil, and the last
// answer of ask holds, or the first denial if Await never called ask.
func (l *Lines) Await(ctx context.Context, identity string, longest, retryAfter time.Duration, ask func() (retryAfter time.Duration, denied bool)) error {
	end := time.Now().Add(longest)
	latest := end // until then the units are of use
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
	if waited { // retryAfter is out of date
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

// tooLong reports whether no wait helps, or only one that ends after latest.
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

// wait waits for the turn. It reports whether it had to wait, and whether the turn came by
// end. Turns come in the order of arrival, because a Go channel serves its senders in that
// order.
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
