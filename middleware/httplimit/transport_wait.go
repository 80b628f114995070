package httplimit

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// await waits, after denied, until the units are there.
func (t *transport) await(ctx context.Context, identity string, denied *DeniedError) (*DeniedError, error) {
	end := time.Now().Add(t.wait)
	latest := end // when the units would still be of use
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(end) {
		latest = deadline
	}
	if tooLong(denied, latest) {
		return denied, nil
	}
	line := t.lines.join(identity)
	defer t.lines.leave(identity, line)
	waited, inTime, err := line.wait(ctx, end)
	switch {
	case err != nil:
		return nil, err
	case !inTime:
		return denied, nil
	}
	defer func() { <-line.turn }()
	n := denied.N
	if waited { // what it was told is out of date
		denied, err = t.ask(ctx, identity, n)
	}
	for denied != nil && !tooLong(denied, latest) {
		if err := sleep(ctx, denied.Result.RetryAfter); err != nil {
			return nil, err
		}
		denied, err = t.ask(ctx, identity, n)
	}
	return denied, err
}

// tooLong tells whether no wait helps, or none that ends by latest.
func tooLong(denied *DeniedError, latest time.Time) bool {
	return denied.Result.RetryAfter == algorithm.Never || time.Until(latest) < denied.Result.RetryAfter
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return gaveUp(ctx)
	}
}

func gaveUp(ctx context.Context) error {
	return fmt.Errorf("httplimit: wait for the rate limit was given up: %w", ctx.Err())
}

// transportLines are the lines of identities for which requests wait.
type transportLines struct {
	mu    sync.Mutex
	lines map[string]*transportLine
}

// transportLine is a line of requests that wait for units of one identity.
type transportLine struct {
	turn     chan struct{} // of capacity 1: full while somebody has the turn to ask
	requests int           // in the line
}

func (l *transportLines) join(identity string) *transportLine {
	l.mu.Lock()
	defer l.mu.Unlock()
	line, ok := l.lines[identity]
	if !ok {
		if l.lines == nil {
			l.lines = map[string]*transportLine{}
		}
		line = &transportLine{turn: make(chan struct{}, 1)}
		l.lines[identity] = line
	}
	line.requests++
	return line
}

func (l *transportLines) leave(identity string, line *transportLine) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if line.requests--; line.requests == 0 {
		delete(l.lines, identity)
	}
}

// wait waits for the turn. It tells whether there was a wait, and whether the turn came
// by end. Go's channels serve in the order of arrival.
func (l *transportLine) wait(ctx context.Context, end time.Time) (waited, inTime bool, err error) {
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
		return true, false, gaveUp(ctx)
	}
}
