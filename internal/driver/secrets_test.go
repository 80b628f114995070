package driver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/redisurl"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

func TestSecrets(t *testing.T) {
	const password = `hunter2"日本語`
	const odd = "\xfftop-secret" // not UTF-8
	target := &Target{Config: redisurl.Config{Password: password}, Options: Options{SentinelPassword: odd}}
	secrets, none := target.Secrets(), Secrets(nil)
	ctx := context.Background()

	for _, text := range []string{password, password[:9], fmt.Sprintf("%q", password), odd, odd[:8], fmt.Sprintf("%q", odd), "x, with args beginning with: 'a"} {
		for _, err := range []error{
			secrets.Server("WRONGPASS no "+text, errors.New("WRONGPASS no "+text)),
			secrets.Server("WRONGPASS no", fmt.Errorf("two replies: WRONGPASS no; %s", text)),
		} {
			server := (*store.ServerError)(nil)
			require.ErrorAs(t, err, &server)
			require.Equal(t, "WRONGPASS", server.Prefix())
			require.NotContains(t, err.Error()+fmt.Sprintf("%#v", err), text)
			require.Equal(t, []error{server}, err.(interface{ Unwrap() []error }).Unwrap(), "the client's own error has the text")
		}
		err := secrets.Wrap(ctx, "driver", fmt.Errorf("cannot read %s: %w", text, os.ErrDeadlineExceeded))
		require.NotContains(t, err.Error(), text)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "which would mean that the text is inside")
		var timeout interface{ Timeout() bool }
		require.ErrorAs(t, err, &timeout)
		require.True(t, timeout.Timeout())
	}

	// An error that quotes nothing is left as it is.
	cause := errors.New("NOAUTH Authentication required.")
	for _, s := range []Secrets{secrets, none, (&Target{}).Secrets()} {
		err := s.Server("NOAUTH Authentication required.", cause)
		require.ErrorIs(t, err, cause)
		require.EqualError(t, err, "redis: NOAUTH Authentication required.")
		require.ErrorIs(t, s.Wrap(ctx, "driver", cause), cause)
	}
	require.EqualError(t, none.Server("ERR unknown command 'AUTH', with args beginning with: 'x'", cause), "redis: ERR unknown command 'AUTH'")
	require.EqualError(t, Server("ERR unknown command `EVALSHA`, with args beginning with: `x`, ", cause), "redis: ERR unknown command `EVALSHA`")
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", secrets, struct{ s Secrets }{secrets}, &secrets), "hunter2")
}
