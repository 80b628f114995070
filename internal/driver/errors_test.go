package driver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

func TestWrap(t *testing.T) {
	ctx := context.Background()
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	cause := errors.New("broken pipe")

	err := Wrap(ctx, "driver", cause)
	require.EqualError(t, err, "driver: broken pipe")
	require.ErrorIs(t, err, cause)

	err = Wrap(canceled, "driver", cause)
	require.EqualError(t, err, "driver: context canceled (broken pipe)")
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, cause)

	err = Wrap(canceled, "driver", fmt.Errorf("dial: %w", context.Canceled))
	require.EqualError(t, err, "driver: context canceled")

	// The run's own context was cancelled, and the client reports a deadline.
	err = Wrap(canceled, "driver", context.DeadlineExceeded)
	require.ErrorIs(t, err, context.Canceled)
}

// TestWrapForeign checks that if a run's own context has not ended, no error that Wrap returns
// says so, even if the client reports the end of some other context.
func TestWrapForeign(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	cause := &net.OpError{Op: "dial", Net: "tcp", Err: context.DeadlineExceeded}
	for _, err := range []error{
		Wrap(ctx, "driver", context.DeadlineExceeded),
		Wrap(ctx, "driver", context.Canceled),
		Wrap(ctx, "driver", fmt.Errorf("dial: %w", cause)),
		Wrap(ctx, "driver", os.ErrDeadlineExceeded),
	} {
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, fmt.Errorf("ratelimit: %w", err), context.DeadlineExceeded)
	}
	err := Wrap(ctx, "driver", fmt.Errorf("dial: %w", cause))
	require.ErrorIs(t, err, cause)
	opErr := (*net.OpError)(nil)
	require.ErrorAs(t, err, &opErr)
	var timeout interface{ Timeout() bool }
	require.ErrorAs(t, err, &timeout)
	require.True(t, timeout.Timeout())
}

// lagging is a context whose deadline has passed, but whose timer has not fired yet.
type lagging struct{ context.Context }

func (lagging) Deadline() (time.Time, bool) { return time.Now().Add(-time.Millisecond), true }

func TestWrapLaggingTimer(t *testing.T) {
	ctx := lagging{context.Background()}
	err := Wrap(ctx, "driver", fmt.Errorf("read: %w", os.ErrDeadlineExceeded))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.EqualError(t, err, "driver: context deadline exceeded (read: i/o timeout)")
	require.NotErrorIs(t, Wrap(ctx, "driver", errors.New("refused")), context.DeadlineExceeded)
}

func TestServer(t *testing.T) {
	cause := errors.New("cause")
	err := Server("NOPERM no", cause)
	require.EqualError(t, err, "redis: NOPERM no")
	require.ErrorIs(t, err, cause)
	server := (*store.ServerError)(nil)
	require.ErrorAs(t, err, &server)
	require.Equal(t, "NOPERM", server.Prefix())

	require.True(t, NoScript(Server("NOSCRIPT No matching script. Please use EVAL.", cause)))
	require.True(t, NoScript(Server("ERR NOSCRIPT No matching script. Please use EVAL.", cause)))
	require.False(t, NoScript(Server("ERR no", cause)))
	require.False(t, NoScript(errors.New("NOSCRIPT")))
}

func TestIsNil(t *testing.T) {
	require.True(t, IsNil(nil))
	require.True(t, IsNil((*store.ServerError)(nil)))
	require.False(t, IsNil(&store.ServerError{}))
	require.False(t, IsNil(0))
}
