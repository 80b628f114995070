package httplimit

import (
	"context"
	"fmt"
	"time"
)

// await waits, after denied, until the units are there.
func (t *transport) await(ctx context.Context, identity string, denied *DeniedError) (*DeniedError, error) {
	n := denied.N
	var err error
	ended := t.lines.Await(ctx, identity, t.wait, denied.Result.RetryAfter, func() (time.Duration, bool) {
		if denied, err = t.ask(ctx, identity, n); denied == nil {
			return 0, false
		}
		return denied.Result.RetryAfter, true
	})
	if ended != nil {
		return nil, &unansweredError{fmt.Errorf("wait for the rate limit was given up: %w", ended)}
	}
	return denied, err
}
