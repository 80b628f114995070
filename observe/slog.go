package observe

import (
	"context"
	"log/slog"
	"strings"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/internal/perlimiter"
)

// Slog returns an observer that logs what limiters decide. If logger is nil, it logs to the
// logger that is [slog.Default] at the time of each decision.
//
//	message              level  when
//	ratelimit: allowed   Debug  Redis let the request through
//	ratelimit: denied    Info   Redis denied the request
//	ratelimit: peeked    Debug  Redis answered a Peek
//	ratelimit: degraded  Warn   Redis did not answer, so the failure mode decided
//	                     Debug  Redis was not asked, because a breaker was open
//	                     Warn   once a minute: how often Redis was not asked
//	ratelimit: canceled  Debug  the request's own context ended
//	ratelimit: breaker   Warn   a breaker opened
//	                     Info   a breaker closed, or became half-open
//	any of these         same   after a second with too many: how many were left out
//
// A level that the logger has disabled costs next to nothing, and no allocation.
//
// All lines have the attributes namespace and algorithm. A line about a request also has n
// and outcome ("allowed", "denied" or "canceled"). It has remaining if Redis answered,
// retry_after if waiting for a known time would help, and class and err if Redis did not
// answer. A line about a breaker has state, and either class and err, if it opened, or
// elapsed. The line that comes once a minute has not_asked, the number of requests that
// Redis was not asked about. Neither the identity nor its key is logged, not even if Redis's
// error contains it.
//
// So that an attack does not fill the disk, a limiter writes at most 10 lines a second of
// each message at each level ([SlogLines] sets how many). Further lines are only counted. At
// the end of that second one more line of the same message and level has their number as
// dropped. The lines written and the numbers dropped add up to all that occurred, except for
// what is less than a second old. Because each message has its own count, thousands of
// denials hide neither a failure nor a breaker. Limiters beyond the first thousand share one
// count, under the name "(others)".
//
// In tests with testing/synctest, call Slog in the bubble that uses the observer.
func Slog(logger *slog.Logger, options ...SlogOption) ratelimit.Observer {
	l := logs{logger: logger, perSecond: 10, samples: perlimiter.New(newSample)}
	for _, option := range options {
		if option != nil {
			option.apply(&l)
		}
	}
	return l
}

type logs struct {
	logger    *slog.Logger
	perSecond uint64
	samples   *perlimiter.Map[*sample]
}

// current returns the logger to write to now.
func (l logs) current() *slog.Logger {
	if l.logger == nil {
		return slog.Default()
	}
	return l.logger
}

// Observe implements [ratelimit.Observer].
func (l logs) Observe(ctx context.Context, e ratelimit.Event) {
	kind, s := lineOf(e), l.samples.Of(e.Namespace, e.Algorithm)
	if kind == lineNotAsked {
		l.wanted(ctx, s, lineOutage) // counts it for the line of the minute
	}
	if !l.wanted(ctx, s, kind) {
		return
	}
	attrs := append(make([]slog.Attr, 0, 8),
		slog.String("namespace", e.Namespace),
		slog.String("algorithm", e.Algorithm),
		slog.Int64("n", e.N),
		slog.String("outcome", outcome(e)),
	)
	if e.Err == nil {
		attrs = append(attrs, slog.Int64("remaining", e.Result.Remaining))
	}
	if wait := e.Result.RetryAfter; wait > 0 && wait != algorithm.Never {
		attrs = append(attrs, slog.Duration("retry_after", wait))
	}
	if e.Err != nil {
		attrs = append(attrs,
			slog.String("class", string(e.Class)),
			slog.String("err", withoutKey(e.Namespace, e.Algorithm, e.Err)),
		)
	}
	l.write(ctx, kind, attrs)
}

// ObserveBreaker implements [ratelimit.BreakerObserver].
func (l logs) ObserveBreaker(e ratelimit.BreakerEvent) {
	ctx, kind := context.Background(), lineClosed
	if e.State == ratelimit.BreakerOpen {
		kind = lineOpened
	}
	if !l.wanted(ctx, l.samples.Of(e.Namespace, e.Algorithm), kind) {
		return
	}
	attrs := []slog.Attr{
		slog.String("namespace", e.Namespace),
		slog.String("algorithm", e.Algorithm),
		slog.String("state", string(e.State)),
	}
	if kind == lineOpened {
		attrs = append(attrs,
			slog.String("class", string(e.Class)),
			slog.String("err", withoutKey(e.Namespace, e.Algorithm, e.Err)),
		)
	} else {
		attrs = append(attrs, slog.Duration("elapsed", e.Elapsed))
	}
	l.write(ctx, kind, attrs)
}

func (l logs) write(ctx context.Context, kind line, attrs []slog.Attr) {
	l.current().LogAttrs(ctx, headlines[kind].level, headlines[kind].message, attrs...)
}

func outcome(e ratelimit.Event) string {
	switch {
	case e.Class == ratelimit.ClassCanceled:
		return "canceled"
	case e.Result.Allowed:
		return "allowed"
	}
	return "denied"
}

// withoutKey returns the text of err in which "[identity]" replaces the hash, complete or
// cut short, in each of the limiter's keys. (A Redis without EVALSHA quotes the beginning of
// the command that it does not know, including the key.) A store cannot quote the identity
// itself, because it never sees it.
func withoutKey(namespace, algorithm string, err error) string {
	prefix := namespace + ":" + algorithm + ":"
	parts := strings.Split(err.Error(), prefix)
	for i := 1; i < len(parts); i++ {
		parts[i] = "[identity]" + strings.TrimLeft(parts[i], "0123456789abcdef")
	}
	return strings.Join(parts, prefix)
}
