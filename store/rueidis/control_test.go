package rueidis

import (
	"context"
	"syscall"
)

type rawConn = syscall.RawConn

// controlAfter holds up a dial until release is closed.
func controlAfter(release <-chan struct{}) func(context.Context, string, string, rawConn) error {
	return func(ctx context.Context, _, _ string, _ rawConn) error {
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
