package ratelimit

import (
	"context"
	"fmt"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

var resetScript = store.NewScript("reset", "return {redis.call('DEL', KEYS[1])}\n")

// Reset forgets what identity has taken. It decides nothing, so no failure mode stands in for
// it. Its error is non-nil if identity is empty ([ErrIdentity]), or if Redis did not confirm
// the reset before the limiter's timeout was over or ctx ended; the reset may have happened
// all the same. Reset asks Redis even while the breaker is open.
func (l *Limiter) Reset(ctx context.Context, identity string) error {
	if err := l.check(identity, 0); err != nil {
		return err
	}
	sum := l.keys.hash(identity)
	limited := l.deadlines.Within(ctx, l.timeout)
	defer limited.End()
	if _, err := l.run(limited, resetScript, []string{l.keys.key(&sum)}, nil); err != nil {
		return fmt.Errorf("ratelimit: reset: %w", err)
	}
	return nil
}
