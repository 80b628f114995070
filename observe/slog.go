package observe

import (
	"context"
	"log/slog"
	"strings"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/internal/perlimiter"
)

// Slog returns an observer that logs what the limiter decides. Where logger is
// nil it is [slog.Default], as that is at the time of each decision.
//
//	message              level  when
//	ratelimit: allowed   Debug  Redis let the request through
//	ratelimit: denied    Info   Redis denied it
//	ratelimit: peeked    Debug  Redis answered a Peek
//	ratelimit: degraded  Warn   Redis did not answer: the failure mode did;
//	                            Debug where it was not asked, a breaker being open;
//	                            of those, Warn once a minute, with their number
//	ratelimit: canceled  Debug  the request's own context ended
//	ratelimit: breaker   Warn   a breaker opened; Info where it closed
//	any, with dropped    as it  more than 10 of it in a second: so many were left out
//
// A level that the logger has disabled costs next to nothing, and no allocation.
//
// The attributes are namespace, algorithm, n and outcome ("allowed", "denied" or
// "canceled"); where Redis answered, remaining; where a wait of known length
// would help, retry_after; where it failed, class and err. Of a breaker they are
// namespace, algorithm, state, and class and err or elapsed; of what Redis was not
// asked about in a minute, namespace, algorithm and not_asked. Neither the identity
// nor its key is logged, not even where it stands in Redis's error.
//
// So that an attack does not fill the disk, a limiter writes at most 10 lines in a
// second of each message at each level ([SlogLines] sets how many). What is beyond
// them is counted, and at the end of that second one more line of the same message
// and level says how many were left out: its attributes are namespace, algorithm
// and dropped. Lines and dropped together are what occurred, but for what is not yet
// a second old. Since each message has its own count, denials by the thousand hide
// neither a failure nor a breaker. Limiters beyond the thousandth share one count,
// under the name "(others)".
//
// In tests with testing/synctest, make it in the bubble that uses it.
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

// current is the logger to write to now.
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
		l.wanted(ctx, s, lineOutage) // which counts it
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
