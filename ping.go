package ratelimit

import (
	"context"
	"fmt"
)

// Ping asks Redis for a decision that takes nothing. It returns nil if Redis made one within
// the limiter's timeout, and otherwise the reason why not; no failure mode stands in for it.
// So a service can find out at its start, or in a readiness check, what otherwise only
// Degraded results would show: a wrong URL or password, or a Redis that is down. Ping asks
// even while the breaker is open. It writes nothing, so it does not notice that the user
// lacks the right to write. On a Cluster it asks one node.
func (l *Limiter) Ping(ctx context.Context) error {
	if l == nil || l.program == nil {
		return errNotMade
	}
	nobody := l.keys.hash("")
	b := l.breakers.of(l.partitions.find(l.keys.key(&nobody)))
	if err := l.look(ctx, b, &nobody); err != nil {
		return fmt.Errorf("ratelimit: ping: %w", err)
	}
	return nil
}

// look asks Redis for the state of the identity with hash s, and tells b how that went. It
// takes nothing. It returns why there was no outcome, or nil.
func (l *Limiter) look(ctx context.Context, b *breaker, s *sum) error {
	limited := l.deadlines.Within(ctx, l.timeout)
	defer limited.End()
	args := l.program.AppendRequest(l.program.AppendParams(nil), 0, 0)
	reply, err := l.run(limited, l.program.Script(), []string{l.keys.key(s)}, args)
	l.report(ctx, b, s, limited.Began(), err)
	if err == nil {
		err = l.program.CheckReply(reply, 1)
	}
	if err == nil {
		_, err = l.program.Outcome(reply, 0, 0)
	}
	return err
}
