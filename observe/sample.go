package observe

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/distributed-rate-limiter/ratelimit"
)

// SlogOption changes a default of [Slog].
type SlogOption interface{ apply(*logs) }

type slogOption func(*logs)

func (o slogOption) apply(l *logs) { o(l) }

// SlogLines sets how many lines of one message and level a limiter may write in a second.
// The default is 10. With 0 there is only the line that says how many were left out. With
// [math.MaxUint] none are left out.
func SlogLines(perSecond uint) SlogOption {
	return slogOption(func(l *logs) { l.perSecond = uint64(perSecond) })
}

// line is a kind of line.
type line int

const (
	lineAllowed line = iota
	lineDenied
	linePeeked
	lineDegraded
	lineNotAsked
	lineOutage
	lineCanceled
	lineOpened
	lineClosed
	lines
)

// headlines are the message and level of each kind.
var headlines = [lines]struct {
	message string
	level   slog.Level
}{
	lineAllowed:  {"ratelimit: allowed", slog.LevelDebug},
	lineDenied:   {"ratelimit: denied", slog.LevelInfo},
	linePeeked:   {"ratelimit: peeked", slog.LevelDebug},
	lineDegraded: {"ratelimit: degraded", slog.LevelWarn},
	lineNotAsked: {"ratelimit: degraded", slog.LevelDebug}, // in an outage, each request has one
	lineOutage:   {"ratelimit: degraded", slog.LevelWarn},
	lineCanceled: {"ratelimit: canceled", slog.LevelDebug},
	lineOpened:   {"ratelimit: breaker", slog.LevelWarn},
	lineClosed:   {"ratelimit: breaker", slog.LevelInfo},
}

// lineOf returns the kind of line that is written for e.
func lineOf(e ratelimit.Event) line {
	switch {
	case e.Class == ratelimit.ClassCanceled:
		return lineCanceled
	case e.Class == ratelimit.ClassBreaker:
		return lineNotAsked
	case e.Err != nil:
		return lineDegraded
	case e.N == 0:
		return linePeeked
	case e.Result.Allowed:
		return lineAllowed
	}
	return lineDenied
}

// span returns how long lines of a kind are counted together, and the attribute for the
// number of those that were not written. Of lineOutage none are written, only their number
// once a minute: otherwise a log would show no more of an outage than its beginning.
func (kind line) span() (time.Duration, string) {
	if kind == lineOutage {
		return time.Minute, "not_asked"
	}
	return time.Second, "dropped"
}

// most returns how many lines of a kind may be written in its span.
func (l logs) most(kind line) uint64 {
	if kind == lineOutage {
		return 0
	}
	return l.perSecond
}

// sample counts the lines that a limiter has had in the present span of each kind. A span
// begins with its first line, so a limiter without lines has no timer.
type sample struct {
	namespace, algorithm string
	lines                [lines]atomic.Uint64
}

func newSample(namespace, algorithm string) *sample {
	return &sample{namespace: namespace, algorithm: algorithm}
}

// wanted counts a line and reports whether to write it. A line that is left out costs one
// atomic addition, and no reading of the clock, because a timer ends the span.
func (l logs) wanted(ctx context.Context, s *sample, kind line) bool {
	if !l.current().Enabled(ctx, headlines[kind].level) {
		return false
	}
	n := s.lines[kind].Add(1)
	if n == 1 {
		span, _ := kind.span()
		time.AfterFunc(span, func() { l.endSpan(s, kind) })
	}
	return n <= l.most(kind)
}

// endSpan ends a span, and logs how many lines were left out in it. It runs on a goroutine
// of its own, so it recovers from a handler's panic, which would end the process.
func (l logs) endSpan(s *sample, kind line) {
	n, most := s.lines[kind].Swap(0), l.most(kind)
	if n <= most {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			defer func() { _ = recover() }() // the default logger may be what panicked
			slog.Error("ratelimit: observer panicked", "observer", fmt.Sprintf("%T", l), "panic", fmt.Sprintf("%T", p))
		}
	}()
	_, leftOut := kind.span()
	l.write(context.Background(), kind, []slog.Attr{
		slog.String("namespace", s.namespace),
		slog.String("algorithm", s.algorithm),
		slog.Uint64(leftOut, n-most),
	})
}
