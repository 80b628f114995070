package httplimit

import (
	"context"
	"fmt"
	"time"
)

// await waits for the units after a denial. It returns what ask returned last, or denied
// itself if ask was not called. If ctx ends meanwhile, it returns an error that wraps ctx's.
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
