package observe

import (
	"context"
	"log/slog"
	"strings"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// Slog returns an observer that logs what the limiter decides. Where logger is
// nil it is [slog.Default], as that is at the time of each decision.
//
//	message              level  when
//	ratelimit: allowed   Debug  Redis let the request through
//	ratelimit: denied    Info   Redis denied it
//	ratelimit: peeked    Debug  Redis answered a Peek
//	ratelimit: degraded  Warn   Redis did not answer: the failure mode did;
//	                            Debug where it was not asked, a breaker being open
//	ratelimit: canceled  Debug  the request's own context ended
//	ratelimit: breaker   Warn   a breaker opened; Info where it closed
//
// A level that the logger has disabled costs next to nothing, and no allocation.
//
// The attributes are namespace, algorithm, n and outcome ("allowed", "denied" or
// "canceled"); where Redis answered, remaining; where a wait of known length
// would help, retry_after; where it failed, class and err. Of a breaker they are
// namespace, algorithm, state, and class and err or elapsed. Neither the identity
// nor its key is logged, not even where it stands in Redis's error.
func Slog(logger *slog.Logger) ratelimit.Observer { return logs{logger} }

type logs struct{ logger *slog.Logger }

// Observe implements [ratelimit.Observer].
func (l logs) Observe(ctx context.Context, e ratelimit.Event) {
	logger := l.logger
	if logger == nil {
		logger = slog.Default()
	}
	message, level := headline(e)
	if !logger.Enabled(ctx, level) {
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
	logger.LogAttrs(ctx, level, message, attrs...)
}

// ObserveBreaker implements [ratelimit.BreakerObserver].
func (l logs) ObserveBreaker(e ratelimit.BreakerEvent) {
	logger, ctx, level := l.logger, context.Background(), slog.LevelInfo
	if logger == nil {
		logger = slog.Default()
	}
	attrs := []slog.Attr{
		slog.String("namespace", e.Namespace),
		slog.String("algorithm", e.Algorithm),
		slog.String("state", string(e.State)),
	}
	if e.State == ratelimit.BreakerOpen {
		level = slog.LevelWarn
		attrs = append(attrs,
			slog.String("class", string(e.Class)),
			slog.String("err", withoutKey(e.Namespace, e.Algorithm, e.Err)),
		)
	} else {
		attrs = append(attrs, slog.Duration("elapsed", e.Elapsed))
	}
	logger.LogAttrs(ctx, level, "ratelimit: breaker", attrs...)
}

// headline returns the message for e, and its level.
func headline(e ratelimit.Event) (string, slog.Level) {
	switch {
	case e.Class == ratelimit.ClassCanceled:
		return "ratelimit: canceled", slog.LevelDebug
	case e.Class == ratelimit.ClassBreaker: // in an outage, that is each request
		return "ratelimit: degraded", slog.LevelDebug
	case e.Err != nil:
		return "ratelimit: degraded", slog.LevelWarn
	case e.N == 0:
		return "ratelimit: peeked", slog.LevelDebug
	case e.Result.Allowed:
		return "ratelimit: allowed", slog.LevelDebug
	}
	return "ratelimit: denied", slog.LevelInfo
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

// withoutKey returns the text of err with the hash cut out of each key of the
// limiter, whole or cut short. A Redis without EVALSHA quotes the beginning of
// the command that it does not know, key included. The identity itself is
// nothing that a store could quote: it never sees it.
func withoutKey(namespace, algorithm string, err error) string {
	prefix := namespace + ":" + algorithm + ":"
	parts := strings.Split(err.Error(), prefix)
	for i := 1; i < len(parts); i++ {
		parts[i] = "[identity]" + strings.TrimLeft(parts[i], "0123456789abcdef")
	}
	return strings.Join(parts, prefix)
}
